#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# A batch script that starts MPI programs, one after another, and goes on behind them.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/mpi/lib/mpi.sh

scripts=$(TMPDIR=$HOME scratch)
cat >"$scripts/batch" <<END
#!/bin/bash
echo "begin"
mpirun.openmpi --oversubscribe -np 2 $apps/halo.openmpi 200
echo "open mpi: \$?"
mpiexec.mpich -np 2 $apps/halo.mpich 200
echo "mpich: \$?"
cp in-finalize after
exit 3
END
chmod +x "$scripts/batch"
cycle_app script --cycles 6 --run-args "--network private" -- "$scripts/batch"
is "$cycle_bare_status" 3 "the script ends as it says"
finish
