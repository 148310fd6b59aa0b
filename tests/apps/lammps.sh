#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# LAMMPS: the Lennard-Jones melt, with its thermo output and its trajectory.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh
. /src/tests/lib/lammps.sh

export OMP_NUM_THREADS=1

cycle_app lammps --filter steady --compare compare_lammps -- lmp -var steps 1600 -in "$data/melt.in"
ok "the trajectory has all its frames" test "$(grep -c '^ITEM: TIMESTEP' "$cycle_work/job/melt.dump")" -eq 17
finish
