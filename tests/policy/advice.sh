#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a scheduler's watcher says: deadlines that come, move and go; stops; and nonsense.
set -euo pipefail
. /src/tests/policy/lib/requeue.sh

# advise_job ID COMMAND…: a job with a watcher, to which "say" writes.
advise_job()
{
    mkdir -p "$work/$1"
    rm -f "$work/$1.fifo"
    mkfifo "$work/$1.fifo"
    job_id=$1
    (cd "$work/$1" && exec env --default-signal "$apps/advised" "$BIVOUAC_STORE" "$1" "$work/$1.fifo" "${@:2}") \
        </dev/null >>"$work/$1.out" 2>>"$work/$1.err" &
    job_pid=$!
    exec {watcher}>"$work/$1.fifo"
}

say()
{
    printf '%s\n' "$@" >&"$watcher"
}

watcher_ends()
{
    exec {watcher}>&-
}

advise_job one "${count[@]}" 100
say '{"is":"checkpoint","why":"drain"}'
ok "a checkpoint that is advised is made" wait_for events_at_least one checkpointed 1
is "$(reasons_of one)" "1 drain" "for the reason that was given"
say '{"is":"note","text":"the node is \u001b[31mdrained"}'
ok "a note is told, and cannot speak to the terminal" wait_for grep -q 'job one: the node is ?\[31mdrained' one.err

# A deadline, taken back, and another one, for which the watcher does not live long enough.
say "{\"is\":\"deadline\",\"at\":$(($(date +%s) + 3600)),\"why\":\"limit\"}"
require wait_for events_at_least one deadline 1
is "$("$apps/ask" "$BIVOUAC_STORE" one '{"op":"status"}' | jq -r .next.why)" deadline "a deadline is heeded"
say '{"is":"deadline","at":null}'
require wait_for events_at_least one deadline 2
is "$("$apps/ask" "$BIVOUAC_STORE" one '{"op":"status"}' | jq -c .next)" null "and can be taken back"
say "{\"is\":\"deadline\",\"at\":$(($(date +%s) + 4)),\"why\":\"limit\"}"
require wait_for events_at_least one deadline 3
watcher_ends
job_wait
is "$job_status" 85 "a deadline holds when the watcher has died"
is "$(reasons_of one)" "1 deadline
1 drain" "and is why the attempt ends"

# A preemption.
advise_job one "${count[@]}" 100
require wait_for events_at_least one restarted 1
say '{"is":"stop","grace":30,"why":"preempt"}'
job_wait
watcher_ends
is "$job_status" 85 "a stop saves the job and ends the attempt"
is "$(events_of one 'select(.event == "checkpointed").why' | tail -n 1)" preempt "with its reason"

# Nonsense, a flood of it, and a good word after some of it.
advise_job one "${count[@]}" 100
require wait_for events_at_least one restarted 2
say 'this is no JSON' '[]' '{"is":"kill"}' '{"is":"stop","grace":1e99}' '{"is":"deadline","at":"soon"}'
say '{"is":"checkpoint","why":"drain"}'
ok "nonsense does not keep the supervisor from what makes sense" wait_for events_at_least one checkpointed 4
for ((i = 0; i < 100; i++)); do
    say "{\"is\":\"nonsense $i\"}" 2>/dev/null || break
done
job_wait
is "$job_status" 5 "a flood of nonsense does not disturb the job"
like "$(grep -c 'is not understood' one.err)" '^[12]$' "and is told of once or twice"
watcher_ends
count_output 100 >expected
same_file one.out expected "its output is that of one run"
finish_jobs
