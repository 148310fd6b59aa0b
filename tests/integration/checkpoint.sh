#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac checkpoint: every option, every refusal, several at once and in a row.
# shellcheck disable=SC2016,SC2317 # the job's shell expands; functions are called by name
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

is "$(status_of bv checkpoint any)" 103 "without a store: 103"
like "$(<err)" "^bivouac: cannot open the store $BIVOUAC_STORE: " "it is named"

hold one
is "$(status_of bv checkpoint none)" 101 "an unknown job: 101"
like "$(<err)" "^bivouac: .*none" "it is named"
is "$(status_of bv checkpoint one@1)" 2 "a generation cannot be checkpointed: 2"
is "$(status_of bv checkpoint one --store "$work")" 103 "what is no store: 103"

# In a row.
is "$(status_of bv checkpoint one)" 0 "a checkpoint"
like "$(<out)" '^one@1: frozen [0-9.]+ s, [0-9.]+ [KMG]?i?B stored of [0-9.]+ [KMG]?i?B, committed after [0-9.]+ s$' \
    "is told in one line"
is "$(<err)" "" "nothing on standard error, which is no terminal"
like "$(bv checkpoint one --timeout 90)" '^one@2:' "with a deadline in seconds"
like "$(bv checkpoint one -t 2m)" '^one@3:' "in minutes"
like "$(bv checkpoint one --timeout 1.5h)" '^one@4:' "in hours"
like "$(bv checkpoint one --store "$BIVOUAC_STORE" --timeout 0)" '^one@5:' "or none; and a store"
is "$(generations_of one)" "4 5" "the two newest are kept"
is "$(find "$BIVOUAC_STORE/jobs/one" -maxdepth 1 -name '0*' -printf '%f\n' | sort | tr '\n' ' ')" "000004 000005 " \
    "and nothing else is in the store"
ok "both verify" bv verify one

# JSON.
bv checkpoint one --json >json
is "$(keys_of . <json)" "drain_s frozen_s generation job memory_bytes new_bytes ok raw_bytes reason stored_bytes sync_s total_s warnings write_s" \
    "--json: the keys of a result"
is "$(jq -c '[.job, .generation, .reason, .ok, .warnings]' json)" '["one",6,"request",true,[]]' "and their values"
ok "bytes and seconds are numbers" jq -e \
    '.raw_bytes > .stored_bytes and .stored_bytes > 0 and .frozen_s > 0 and .total_s >= .frozen_s' json
is "$(status_of bv checkpoint none --json)" 101 "--json and an unknown job"
is "$(jq -c '[.error.code, .error.name]' out)" '[101,"BV_ENOJOB"]' "is an object, too"

# Impossible in so short a time: the job goes on, and nothing remains.
is "$(status_of bv checkpoint one --timeout 0.000001)" 114 "a deadline that passes: 114"
is "$(generations_of one)" "5 6" "leaves what there was"
ok "and the next one succeeds" wait_for bv checkpoint one
is "$(jq -r 'select(.event == "checkpoint-failed") | .code // .event' "$BIVOUAC_STORE/jobs/one/events.jsonl" | wc -l)" 1 \
    "the history tells of it"

# At once: whoever comes during a checkpoint gets the same one.
newest=$(generations_of one | cut -d' ' -f2)
for i in 1 2 3 4 5 6; do
    bv checkpoint one --json >"join.$i" 2>&1 &
done
for i in 1 2 3 4 5 6; do
    wait -n || not_ok "all of six at once succeed"
done
is "$(jq -r .job join.? | sort -u)" one "six at once succeed"
made=$(($(generations_of one | cut -d' ' -f2) - newest))
ok "as at most six, and at least one ($made)" test "$made" -ge 1 -a "$made" -le 6
is "$(jq -r .generation join.? | sort -nu | wc -l)" "$made" "each was told of one that was made"

# --stop.
is "$(status_of bv checkpoint one --stop)" 0 "--stop"
stopped()
{
    [[ $(ps --ppid "$(pgrep -P "$job_pid")" -o stat=,comm= | awk '$2 != "bivouac-stop"') == T* ]]
}
ok "leaves the job stopped" wait_for stopped
is "$(state_of one)" running "its supervisor is alive"
is "$(status_of bv checkpoint one)" 0 "a stopped job can be checkpointed again"
kill -CONT "$job_pid"
finish_job one
is "$job_status" 5 "after SIGCONT to its supervisor it goes on to its end"
is "$(status_of bv checkpoint one)" 116 "an ended job: 116"
like "$(<err)" "job one" "it is named"
is "$(status_of bv checkpoint one --json)" 116 "also with --json"
is "$(jq -r .error.name out)" BV_ENOTRUNNING "which names the error"

# One that was left stopped goes on when it is restarted.
hold halted
ok "--stop again" bv checkpoint halted --stop
is "$(status_of bv checkpoint halted --kill)" 0 "then --kill"
job_wait
job_start "$work/halted" halted -- sh
finish_job halted
is "$job_status" 5 "restarted it goes on to its end"

# --kill.
hold two
is "$(status_of bv checkpoint two -k)" 0 "--kill"
job_wait
is "$job_status" 85 "the supervisor ends with status 85"
like "$(<two.err)" 'two was checkpointed \(generation 1\) and ended: run it again' "and says how to go on"
is "$(state_of two)" checkpointed "the job is said to be checkpointed"
is "$(status_of bv checkpoint two)" 116 "it cannot be checkpointed now: 116"
is "$(<two.out)" ready "nothing more of it was run"
hold_again()
{
    job_start "$work/two" two -- sh -c 'echo ready; until test -e go; do sleep 0.05; done; echo done; exit 5'
}
hold_again
ok "run again, it is checkpointed by its own supervisor" wait_for bv checkpoint two
finish_job two
is "$job_status $(tr '\n' ' ' <two.out)" "5 ready done " "and ends as it should"
finish_jobs
