#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# One-sided communication, shared memory and files of MPI, whose memory is mapped from files that are deleted at once.
# MPICH keeps the shared position of a file in another one beside it, which a crash leaves behind: hence --capture.
set -euo pipefail
. /src/tests/mpi/lib/mpi.sh

for mpi in openmpi mpich; do
    launch_with "$mpi" 2
    cycle_app "windows-$mpi" --run-args "--capture ." -- "${launch[@]}" "$apps/windows.$mpi"
done
finish
