#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A file that two processes have mapped shared, and that grows.
set -euo pipefail
. /src/tests/lib/cycle.sh

cycle_app mapped -- "$apps/mapped"
finish
