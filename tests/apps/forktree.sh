#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A tree of processes with pipes and exit codes, a stopped child and one that is dead.
set -euo pipefail
. /src/tests/lib/cycle.sh

cycle_app forktree -- "$apps/forktree"
finish
