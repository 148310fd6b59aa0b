#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Periodic checkpoints, and what can be seen of them while the job runs.
set -euo pipefail
. /src/tests/policy/lib/requeue.sh

# status_of_job: what the supervisor answers.
status_of_job()
{
    "$apps/ask" "$BIVOUAC_STORE" "$1" '{"op":"status"}'
}

# A fixed period.
start_job fixed --every 1s -- "${count[@]}" 600
require wait_for events_at_least fixed checkpointed 3
state=$(status_of_job fixed)
is "$(jq -r '.next.why' <<<"$state")" period "the status says why the next checkpoint will be made"
ok "and when" jq -e '(.next.at - now) | . > -60 and . < 60' <<<"$state"
ok "it tells of the last one" jq -e '.last.generation >= 3 and .last.why == "period" and .last.frozen_s > 0' <<<"$state"
ok "and what the job uses" jq -e '.memory_bytes > 1000000 and .cpu_s > 0' <<<"$state"
is "$(reasons_of fixed | awk '{print $2}')" period "the history says why they were made"
end_job
is "$(generations_of fixed | wc -w)" 2 "two are kept"

# The one after a crash goes on from the newest; the output is that of one run.
start_job crashing --every 1s -- "${count[@]}" 100
require wait_for events_at_least crashing checkpointed 2
require job_crash
run_again crashing --every 1s -- "${count[@]}" 100
is "$again_status" 5 "a job that has lost its supervisor goes on from its last periodic checkpoint"
count_output 100 >expected
same_file "$work/crashing.out" expected "with the output of one run"

# By Young and Daly, with a mean time between failures that makes it some seconds.
start_job auto --every auto --mtbf 10s -- "${count[@]}" 600
require wait_for events_at_least auto checkpointed 3
is "$(reasons_of auto | awk '{print $2}')" auto "auto makes checkpoints, and says so"
is "$(status_of_job auto | jq -r .next.why)" auto "and will go on to"
end_job

# None without being asked for.
start_job never -- "${count[@]}" 20
sleep 1
is "$(status_of_job never | jq -c '[.last, .next]')" '[null,null]' "without a setting none is foreseen"
job_wait
is "$(count_events never checkpointed)" 0 "and none is made"

# A checkpoint that takes longer than the period: one after the other, and it is told.
start_job slow --every 1s --capture "$work/slow" -- bash -c '
    dd if=/dev/urandom of=big bs=1M count=150 status=none
    for ((i = 0; i < 400; i++)); do sleep 0.1; done'
require wait_for -t 120 events_at_least slow checkpointed 3
is "$(count_events slow checkpoint-failed)" 0 "a checkpoint that takes longer than the period disturbs none"
end_job

# A program that ignores whatever it can.
cat >deaf.sh <<'END'
trap '' HUP INT QUIT TERM USR1 USR2 TSTP ALRM
for ((i = 0; i < 60; i++)); do echo "deaf $i"; sleep 0.1; done
exit 7
END
run_again deaf --every 2s --deadline +5s -- bash "$work/deaf.sh"
is "$again_status" 7 "a program that ignores signals is checkpointed and continued like any other"
is "$(wc -l <deaf.out)" 60 "with all of its output"
ok "in more than one attempt" test "$again_count" -gt 1
finish_jobs
