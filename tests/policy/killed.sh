#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The history tells the truth after SIGKILL of the supervisor: at any moment what it calls a checkpoint is one, and the
# next attempt knows what they have cost.
set -euo pipefail
. /src/tests/policy/lib/requeue.sh

for ((round = 1; round <= 5; round++)); do
    start_job killed --every 1s -- "${count[@]}" 150
    require wait_for events_at_least killed checkpointed "$round"
    random_pause 1500
    job_runs || break
    job_crash
    told=$(events_of killed 'select(.event == "checkpointed").generation' | sort -n | tail -n 1)
    there=$(generations_of killed | tr ' ' '\n' | sort -n | tail -n 1)
    # A kill between the rename and the line leaves a checkpoint that the history does not know.
    ok "round $round: the newest checkpoint ($there) is the one the history tells of ($told)" \
        test "$there" = "$told" -o "$there" = "$((told + 1))"
    ok "round $round: it is good" bv verify "killed@$there"
done
is "$(count_events killed ended)" 0 "an attempt whose supervisor was killed has no end"
run_again killed --deadline +1h -- "${count[@]}" 150
is "$again_status" 5 "the job comes to its end"
count_output 150 >expected
same_file killed.out expected "with the output of one run"
is "$(count_events killed started) $(count_events killed ended)" "1 1" "the history has one start and one end"
finish_jobs
