#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# LAMMPS on two ranks and on four.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/mpi/lib/mpi.sh
. /src/tests/lib/lammps.sh

for ranks in 2 4; do
    launch_with openmpi "$ranks"
    cycle_app "lammps-$ranks" --cycles 6 --filter steady --compare compare_lammps -- \
        "${launch[@]}" lmp -var steps 1600 -in /src/tests/apps/data/melt.in
    ok "the trajectory has all its frames" test "$(grep -c '^ITEM: TIMESTEP' "$cycle_work/job/melt.dump")" -eq 17
done
finish
