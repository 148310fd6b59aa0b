#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# LAMMPS as a job: vacated twice, with periodic checkpoints between; its thermo table and its trajectory are, byte by byte,
# those of a run without any of that.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/htcondor/lib/pool.sh

steps=4000
data=/src/tests/apps/data

# LAMMPS closes with how long it took.
steady()
{
    sed -E '/^(Loop time of|Performance:|Total wall time|.*CPU use with|  create_atoms CPU|bivouac: )/d' "$1"
}

thermo_rows()
{
    awk '$1 == "Step" { table = 1; next } table && NF == 6 && $1 ~ /^[0-9]+$/' "$@"
}

has_rows()
{
    (($(running melt _condor_stdout | thermo_rows | wc -l) >= $1))
}

# melt NAME: a job; standard input says more of it.
melt()
{
    submit alice "$1" < <(
        printf '%s\n' 'executable = /usr/bin/lmp' 'transfer_executable = false' \
            "arguments = -var steps $steps -in melt.in" "transfer_input_files = $data/melt.in" \
            'environment = "OMP_NUM_THREADS=1 HOME=/home/alice"'
        cat
    )
}

pool_up --cpus 8
# LAMMPS is linked with MPI, which listens on a port even in a program that runs alone.
melt melt <<END
checkpoint_restart = true
+BivouacNetwork = "private"
+BivouacInterval = 6
END
melt reference </dev/null
require wait_for -t "$condor_deadline" has_rows 10
for round in 1 2; do
    rows=$(running melt _condor_stdout | thermo_rows | wc -l)
    require wait_for -t "$condor_deadline" has_rows $((rows + 10))
    condor vacate_job melt
    require wait_event melt 001 $((round + 1))
done
require wait_event melt 005
require wait_event reference 005
is "$(ending_of melt)" "exit 0" "LAMMPS ends with success"
is "$(sandboxes_of melt | wc -l)" 3 "it has been in three sandboxes"
is "$(thermo_rows /home/alice/melt/out | wc -l)" $((steps / 20 + 1)) "the thermo table has all its rows"
for name in melt reference; do
    thermo_rows "/home/alice/$name/out" >"$name.rows"
    steady "/home/alice/$name/out" >"$name.steady"
done
same_file melt.rows reference.rows "and is the one of a single run"
same_file melt.steady reference.steady "as all of its output"
same_file /home/alice/melt/melt.dump /home/alice/reference/melt.dump "and its trajectory"
files_are melt "err job.sub log log.lammps melt.dump out"
pool_is_empty
finish
