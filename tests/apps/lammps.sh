#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# LAMMPS: the Lennard-Jones melt, with its thermo output and its trajectory.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh

export OMP_NUM_THREADS=1

# LAMMPS closes with how long it took.
steady()
{
    sed -E '/^(Loop time of|Performance:|Total wall time|.*CPU use with|  create_atoms CPU)/d'
}

compare()
{
    local dir

    for dir in ref job; do
        steady <"$cycle_work/$dir/log.lammps" >"$cycle_work/$dir/log.steady"
        rm "$cycle_work/$dir/log.lammps"
    done
    compare_dirs
}

cycle_app lammps --filter steady --compare compare -- lmp -var steps 1600 -in "$data/melt.in"
ok "the trajectory has all its frames" test "$(grep -c '^ITEM: TIMESTEP' "$cycle_work/job/melt.dump")" -eq 17
finish
