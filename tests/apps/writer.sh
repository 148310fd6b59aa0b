#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Append, seek and write, pwrite: the program reads everything back and knows each line it wrote.
set -euo pipefail
. /src/tests/lib/cycle.sh

cycle_app writer --cycles 4 -- "$apps/writer"
finish
