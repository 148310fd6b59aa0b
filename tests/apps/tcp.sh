#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# A TCP server and its clients inside the job.
set -euo pipefail
. /src/tests/lib/cycle.sh

cycle_app tcp --run-args "--network private" -- "$apps/tcp"
finish
