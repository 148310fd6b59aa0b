#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Python's multiprocessing: semaphores and memory whose names are deleted while they are in use.
set -euo pipefail
. /src/tests/mpi/lib/mpi.sh

cycle_app python --cycles 4 -- python3 "$data/pool.py"
is "$(record_of python .network)" host "Python keeps the network of the host"
finish
