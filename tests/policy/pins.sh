#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac pin and unpin: a pinned checkpoint stays, is shown, and is restored from; what is being read stays too.
# shellcheck disable=SC2317 # called by wait_for
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# checkpoints N: of the job "one".
checkpoints()
{
    local i

    for ((i = 0; i < $1; i++)); do
        ok "a checkpoint" bv checkpoint one
    done
}

for command in pin unpin; do
    is "$(status_of bv $command one@1)" 103 "$command without a store: 103"
done
mkdir one
head -c 1M /dev/urandom >one/data # more than fits into a pipe
hold one --capture "$work/one"
is "$(status_of bv pin one@1)" 101 "a checkpoint that is not there is not pinned"
checkpoints 3
is "$(generations_of one)" "2 3" "two are kept"
is "$(status_of bv pin one)" 2 "which one must be said"
like "$(<err)" "one@NUMBER" "it says how"
is "$(status_of bv pin)" 2 "and of which job"
is "$(status_of bv pin one@2 --reason "$(printf '%01025d' 0)")" 2 "a reason that is too long is refused"
is "$(status_of bv pin one@1)" 101 "what was removed is not pinned"
is "$(bv pin one@2 --reason $'the \e[31mred one')" "one@2: pinned" "a checkpoint is pinned"
is "$(bv pin one@3 --json | jq -c .)" '{"pinned":"one@3"}' "another one, as JSON"
checkpoints 3
is "$(generations_of one)" "2 3 5 6" "pinned ones stay, and two others"

# Shown.
like "$(bv list | awk '$1 == "one"')" ' 2,3 +sh ' "list shows which are pinned"
is "$(bv list --json | jq -c '[.jobs[0].generations[] | .pin]')" '["the %1B[31mred one","",null,null]' \
    "list --json gives the reasons"
like "$(bv show one)" 'pinned: the \\x1b\[31mred one' "show tells the reason, and steers no terminal"
like "$(bv show one@2)" 'pinned +yes, the \\x1b\[31mred one' "show of the checkpoint too"
is "$(bv show one --json | jq -c '[.events[] | select(.event == "pinned") | [.generation, .reason]]')" \
    '[[2,"the %1B[31mred one"],[3,null]]' "the history has it"
is "$(bv show one --json | jq -c '[.events[] | select(.event == "removed") | [.generation, .why]]')" \
    '[[1,"keep"],[4,"keep"]]' "and what was removed instead, and why"

# An export, which is slow, of a checkpoint that is one too many meanwhile.
mkfifo slow
bv export one@5 >slow &
exporter=$!
exec {fifo}<slow
head -c 100 <&"$fifo" >exported
checkpoints 2
is "$(generations_of one)" "2 3 5 7 8" "what is being exported stays"
cat <&"$fifo" >>exported
exec {fifo}<&-
ok "the export ends well" wait "$exporter"
is "$(find "$BIVOUAC_STORE/jobs/one/pins" -name '.hold*')" "" "nothing of its hold is left"
ok "the export can be imported" bv import --store "$work/other" --job copy <exported
is "$(bv list --store "$work/other" --json | jq -c '[.jobs[0].generations[] | [.generation, .pin]]')" '[[5,null]]' \
    "and is not pinned there"
checkpoints 1
is "$(generations_of one)" "2 3 8 9" "later it is removed"

# Unpinned, and deleted.
is "$(bv unpin one@3)" "one@3: unpinned" "unpin"
is "$(status_of bv unpin one@3)" 101 "once"
is "$(generations_of one)" "2 3 8 9" "nothing is removed by that"
ok "one more checkpoint, and the end" bv checkpoint one --kill
job_wait
is "$(generations_of one)" "2 9 10" "but with the next one"
is "$(status_of bv delete one@2)" 112 "a pinned one is not deleted"
like "$(<err)" "pinned.*--force" "it says why, and how"
is "$(status_of bv delete one)" 112 "nor the job"

# A job goes on from it.
start_restart()
{
    (cd "$work/one" && exec env --default-signal bivouac restart one@2) </dev/null >>"$work/one.out" 2>>"$work/one.err" &
    job_pid=$!
    job_id=one
}
was_restarted()
{
    (($(restarts_of one) > 0))
}
start_restart
require wait_for was_restarted # what is created before is moved aside
finish_job one
is "$job_status" 5 "the job went back to the pinned one, and ended"
is "$(bv delete one@2 --force)" "one@2: deleted" "by force it is deleted"
ok "with its pin" test ! -e "$BIVOUAC_STORE/jobs/one/pins/000002"
ok "the job is deleted" bv delete one
finish_jobs
