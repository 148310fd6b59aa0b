# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Comparing runs of LAMMPS: --filter steady --compare compare_lammps of tests/lib/cycle.sh.

# LAMMPS closes with how long it took.
steady()
{
    sed -E '/^(Loop time of|Performance:|Total wall time|.*CPU use with|  create_atoms CPU)/d'
}

compare_lammps()
{
    local dir

    for dir in ref job; do
        # shellcheck disable=SC2154
        steady <"$cycle_work/$dir/log.lammps" >"$cycle_work/$dir/log.steady"
        rm "$cycle_work/$dir/log.lammps"
    done
    compare_dirs
}
