#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# A TCP server and its clients inside the job; and two that always have bytes under way, which must not be lost between
# the dump of one end and that of the other.
set -euo pipefail
. /src/tests/lib/cycle.sh
. /src/tests/lib/stalls.sh

cycle_app tcp --run-args "--network private" -- "$apps/tcp"
stalls "$cycle_work" stall-4 127.0.0.1 --network private
stalls "$cycle_work" stall-6 ::1 --network private
remains_nothing "$cycle_work"
finish
