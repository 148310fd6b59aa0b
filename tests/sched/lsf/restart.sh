#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bsub -k, bchkpnt, bchkpnt -k, brestart: three restarts in a row, each checkpointed again; exit status and output whole.
set -euo pipefail
. /src/tests/sched/lsf/lib/lsf.sh

job=$(submit -k "$ckpt method=bivouac" -o out.%J ./count 120 7)
require reached "$job" 5
checkpoint "$job"
is "$last_checkpoint" succeeded "bchkpnt: succeeded"
ok "the job goes on" reached "$job" 10
checkpoint "$job" -k
is "$last_checkpoint" succeeded "bchkpnt -k: succeeded"
is "$(ended "$job")" "Exited by signal 9" "it ends by signal 9, and is not done"
first=$job
for round in 1 2 3; do
    old=$job
    ticks=$(output_of "$old" | grep -c '^tick ')
    job=$(restart "$ckpt" "$old")
    isnt "$job" "" "brestart $round"
    ok "restart $round goes on" reached "$job" $((ticks + 8))
    ok "the directory has a new name" test -d "$ckpt/$job"
    ((round < 3)) || break
    checkpoint "$job" -k
    is "$last_checkpoint" succeeded "restart $round is checkpointed again"
    is "$(ended "$job")" "Exited by signal 9" "and killed"
    ok "the link with the name before is gone" test ! -e "$ckpt/$old"
done
is "$(ended "$job")" "Exited with exit code 7" "exit status 7 comes back"
whole "every line is there once" "$job" 120
is "$(ls "$ckpt/$job/.bivouac/jobs")" "lsf-$first" "the job has kept its first name"
[[ $live ]] || is "$(grep -c '^tick ' "out.$first")" 120 "the output file has them, too"
like "$(bivouac show "lsf-$first" --store "$ckpt/$job/.bivouac" --json | jq -c '[.events[] | .scheduler_job // empty]')" \
    "\"$first\".*\"$job\"" "the history knows what LSF called each run"
is "$(jq -r '.job, .generation' "$ckpt/$job/bivouac.checkpoint" | tr '\n' ' ')" "lsf-$first 4 " \
    "LSF has published the word that echkpnt left"
finish_lsf
