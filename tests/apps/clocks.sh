#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Timers of every kind, and clocks that may not go back.
set -euo pipefail
. /src/tests/lib/cycle.sh

cycle_app clocks -- "$apps/clocks"
finish
