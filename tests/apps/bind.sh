#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# --bind: the job sees a directory at a path of its own, also after a restart.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh

work_in "$(scratch)"
cd "$work"
mkdir here seen ref
(cd ref && "$apps/writer" 300 >../ref.out)

# The program works in the bound directory, which outside is another one.
program=("--bind" "$work/here:$work/seen" -- bash -c "cd '$work/seen' && exec '$apps/writer' 300")
for number in 1 2; do
    lines=0
    [[ ! -e job.out ]] || lines=$(wc -l <job.out)
    mkdir -p job
    job_start "$work/job" bound "${program[@]}"
    require wait_for lines_at_least job.out $((lines + 2))
    ok "checkpoint $number" job_checkpoint --kill
    job_wait
    is "$job_status" 85 "life $number ended by the checkpoint"
done
job_start "$work/job" bound "${program[@]}"
job_wait
is "$job_status" 0 "the last life ends"
same_file job.out ref.out "the output is that of an uninterrupted run"
ok "the files are in the directory that was bound" diff -r ref here
is "$(ls -A seen)" "" "and not in the one that it covered"
remains_nothing "$work"
logs_if_failed "$work"
finish
