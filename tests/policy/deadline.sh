#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: timeout=900
# A program that takes 100 s, and a limit of 15 s: after several attempts its output is that of one run.
set -euo pipefail
. /src/tests/policy/lib/requeue.sh

run_again long --deadline +15s -- "${count[@]}" 1000
is "$again_status" 5 "the job ends with its own status"
count_output 1000 >expected
same_file "$work/long.out" expected "its output is that of an uninterrupted run"
is "$(awk '{print $3}' expected | cmp - "$work/long/sums" && echo same)" same "so is what it has written to a file"
diag "$again_count attempts"
ok "it took several attempts" test "$again_count" -ge 7
is "$(reasons_of long)" "$((again_count - 1)) deadline" "each but the last ended with a checkpoint because of the deadline"
is "$(events_of long 'select(.event == "checkpointed").verified' | sort -u)" all "each was verified before the job was ended"
is "$(events_of long 'select(.event == "ended").status' | sort | uniq -c | awk '{print $1, $2}')" \
    "$((again_count - 1)) checkpointed
1 exited" "the history tells how each attempt ended"
is "$(count_events long deadline)" "$again_count" "and that there was a deadline"

# Nobody waits until it is too late: each checkpoint was there before its deadline.
is "$(jq -s '
    [ .[] | select(.event == "deadline" or .event == "checkpointed") ]
    | [ range(0; length - 1) as $i | select(.[$i].event == "deadline" and .[$i + 1].event == "checkpointed")
        | (.[$i + 1].time | sub("\\.[0-9]+Z$"; "Z") | fromdateiso8601) <= .[$i].at ]
    | all' "$BIVOUAC_STORE/jobs/long/events.jsonl")" true "every checkpoint was committed before the deadline"
finish_jobs
