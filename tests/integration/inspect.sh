#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac list, show, verify and delete: texts, JSON, and what is refused.
# shellcheck disable=SC2016 # the job's shell expands
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

for command in list "show x" "verify x" "delete x"; do
    # shellcheck disable=SC2086
    is "$(status_of bv $command)" 103 "$command without a store: 103"
    # shellcheck disable=SC2086
    is "$(status_of bv $command --json)" 103 "$command --json without a store: 103"
    is "$(jq -r .error.name out)" BV_ESTORE "$command --json names the error"
    is "$(keys_of .error <out)" "code name text" "$command --json: the keys of an error"
done

# A job of each kind.
run_job ended -- sh -c 'exit 3' || :
run_job killed -- sh -c 'kill -KILL $$' || :
run_job failed -- /no/such/program 2>/dev/null || :
hold saved
ok "a job is checkpointed and ended" bv checkpoint saved --kill
job_wait
hold cut
require job_crash
hold live --network private --capture "$work/live" --no-capture '*.tmp' --capture-limit 1M
ok "a job is checkpointed" bv checkpoint live
ok "once more" bv checkpoint live

# list.
bv list >table
like "$(sed -n 1p table)" '^JOB +STATE +ATTEMPTS +NEWEST +AGE +STORED +PINNED +COMMAND$' "list has a heading"
state_in_list()
{
    awk -v job="$1" '$1 == job' table
}
like "$(state_in_list ended)" '^ended +ended \(exit 3\) +1 +- +- +- +- +sh -c' "list: a job that has ended"
like "$(state_in_list killed)" 'ended \(signal 9\) +1 ' "list: one that a signal has ended"
like "$(state_in_list failed)" 'failed \(127\) +1 .*/no/such/program$' "list: one that could not be started"
like "$(state_in_list saved)" 'checkpointed +1 +1 +[0-9]+ s +[0-9.]+ [KMG]iB +- +sh' "list: one that can be continued"
like "$(state_in_list cut)" 'interrupted +1 +- ' "list: one whose supervisor has died"
like "$(state_in_list live)" 'running +1 +2 +[0-9]+ s' "list: one that runs"
is "$(wc -l <table)" 7 "list: one line each"
bv list --json >json
is "$(keys_of . <json)" "jobs store" "list --json: keys"
is "$(jq -r .store json)" "$BIVOUAC_STORE" "list --json: the store"
is "$(jq -r '[.jobs[].job] | join(" ")' json)" "cut ended failed killed live saved" "list --json: jobs by name"
is "$(jq -c '[.jobs[].state]' json)" '["interrupted","ended","failed","ended","running","checkpointed"]' \
    "list --json: states"
is "$(jq -c '.jobs[] | select(.job == "live")' json | keys_of .)" \
    "attempts command generations here host job lease_left_s pid state stored_bytes" "list --json: keys of one that runs"
is "$(jq -c '.jobs[] | select(.job == "ended")' json | keys_of .)" \
    "attempts command generations job outcome state stored_bytes" "list --json: keys of one that has ended"
is "$(jq -c '.jobs[] | select(.job == "ended") | .outcome' json)" '{"number":3,"status":"exited"}' \
    "list --json: how it has ended"
is "$(jq -c '.jobs[] | select(.job == "live") | [.pid, .here]' json)" "[$job_pid,true]" \
    "list --json: the supervisor of one that runs"
is "$(jq -r '.jobs[] | select(.job == "live") | .generations[0]' json | keys_of .)" \
    "created damaged frozen_s generation leave new_bytes pin raw_bytes reason stored_bytes warnings zero_bytes" \
    "list --json: keys of a generation"

# show JOB.
bv show live >text
for line in 'job +live' 'command +sh -c' "directory +$work/live" 'created +20[0-9-]+T[0-9:.]+Z' 'network +private' \
    'tmp +shared' "capture +$work/live" 'no-capture +\*\.tmp' 'copies +1\.0 MiB a file' 'state +running, 1 attempt' \
    "host +.*supervisor $job_pid, lease" '  @1 +20.* request +frozen' '  @2 +20.* request +frozen'; do
    ok "show has the line: $line" grep -qE "^$line" text
done
like "$(bv show ended)" 'no checkpoint' "show: a job without a checkpoint"
like "$(bv show failed)" 'because +cannot run /no/such/program' "show: why a job could not be started"
bv show live --json >json
is "$(keys_of . <json)" \
    "attempts events generations here host job kept lease_left_s pid record state" "show --json: keys"
is "$(keys_of .record <json)" \
    "binds capture capture_limit command created cwd engine environment format job network no_capture preload tmp uid" \
    "show --json: keys of the record"
is "$(jq -c '[.events[].event]' json)" '["submitted","started","checkpointed","checkpointed"]' "show --json: the history"
is "$(jq -c '[.record.network, .record.capture, .record.capture_limit, .record.uid, .kept]' json)" \
    "[\"private\",[\"$work/live\"],1048576,$(id -u),[]]" "show --json: values"

# The history as it lies in the store.
history=$BIVOUAC_STORE/jobs/live/events.jsonl
is "$(jq -c 'keys - ["event"] | contains(["attempt", "host", "time"])' "$history" | sort -u)" true \
    "every event has its time, attempt and host"
is "$(wc -l <"$history")" "$(jq -c . "$history" | wc -l)" "the history has one object a line"
is "$(jq -r .time "$history" | grep -cvE '^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}Z$')" 0 \
    "times are RFC 3339, with milliseconds"
is "$(jq -r .time "$history" | sort -c && echo sorted)" sorted "and in order"

# show JOB@GENERATION.
bv show live@2 >text
for line in 'checkpoint +live@2' 'created +20.*, by attempt 0, reason: request' 'host +[^ ]+ [0-9.]+' \
    'engine +criu [0-9]+\.[0-9]+' 'frozen +[0-9.]+ s' 'bytes +.* stored of .*, .* of it zeros, .* new' \
    'phases +freeze [0-9.]+ s, drain [0-9.]+ s, write [0-9.]+ s, sync [0-9.]+ s, in all [0-9.]+ s' 'stdio +null, file, file' \
    '  append .*live\.out$' "  directory .* $work/live "; do
    ok "show of a generation has the line: $line" grep -qE "^$line" text
done
bv show live@2 --json >json
is "$(keys_of . <json)" \
    "attempt content created damaged files frozen_s generation job leave new_bytes phases pin raw_bytes reason stored_bytes warnings zero_bytes" \
    "show of a generation --json: keys"
is "$(jq -r '.files.files[] | select(.path | endswith("live.out")) | .class' json)" append \
    "show of a generation --json: its files"
is "$(keys_of .phases <json)" "drain_s frozen_s sync_s total_s write_s" "show of a generation --json: its phases"
is "$(jq '.phases | .total_s >= .frozen_s + .drain_s + .sync_s and .write_s > 0 and .sync_s > 0' json)" true \
    "no phase is longer than the whole"
is "$(jq .new_bytes json)" "$(jq 'select(.generation == 2) | .new_bytes' "$history")" \
    "manifest and history agree about the new bytes"
is "$(jq '.new_bytes > 0 and .new_bytes < .raw_bytes' json)" true "a second checkpoint is not new as a whole"
mv "$history" "$history.away"
like "$(bv show live@2)" 'phases +freeze \?, drain \?, write \?, sync \?, in all \?' \
    "without its history the phases are not known"
is "$(bv show live@2 --json | jq -c .phases.sync_s)" null "null in JSON"
mv "$history.away" "$history"
is "$(status_of bv show live@9)" 101 "show of a generation that is not there: 101"
is "$(status_of bv show none --json)" 101 "show of a job that is not there: 101"
is "$(jq -c '[.error.code, .error.name]' out)" '[101,"BV_ENOJOB"]' "show --json names the error"

# verify.
is "$(status_of bv verify live)" 0 "verify"
like "$(<out)" $'^live@1: ok, [0-9.]+ [KM]iB\nlive@2: ok, [0-9.]+ [KM]iB$' "verify: a line for each"
like "$(bv verify live@2)" '^live@2: ok, [^\n]*$' "verify of one"
bv verify live --json >json
is "$(jq -c '[.job, .ok, [.generations[].generation]]' json)" '["live",true,[1,2]]' "verify --json"
is "$(keys_of '.generations[0]' <json)" "generation ok raw_bytes stored_bytes" "verify --json: keys of a good one"
is "$(status_of bv verify ended)" 118 "verify of a job without a checkpoint: 118"
is "$(status_of bv verify live@9)" 101 "verify of one that is not there: 101"
pack=$BIVOUAC_STORE/jobs/live/000002/pack-000002.bvp
dd if=/dev/zero of="$pack" bs=1 count=16 seek=$(($(stat -c %s "$pack") / 2)) conv=notrunc status=none
is "$(status_of bv verify live)" 104 "verify of a damaged one: 104"
like "$(<out)" $'^live@1: ok.*\nlive@2: corrupt: .*pack-000002.*' "verify: which, and why"
is "$(status_of bv verify live@1)" 0 "the other one is good"
is "$(status_of bv verify live --json)" 104 "verify --json of a damaged one"
is "$(jq -c '[.ok, [.generations[] | [.ok, .code]]]' out)" '[false,[[true,null],[false,104]]]' "verify --json: which"
printf x >>"$BIVOUAC_STORE/jobs/live/000001/manifest"
like "$(bv list | awk '$1 == "live"')" 'running +1 +2 ' "list with a damaged older one"
like "$(bv show live)" '@1 +damaged: ' "show names it"

# delete.
is "$(status_of bv delete live)" 112 "delete of a job that runs: 112"
like "$(<err)" "runs on host .*pid $job_pid" "it says where"
is "$(status_of bv delete live --force)" 112 "not even by force"
is "$(status_of bv delete live@1)" 112 "nor one of its checkpoints"
is "$(status_of bv delete saved)" 112 "delete of one that can be continued: 112"
like "$(<err)" '--force' "it says how all the same"
is "$(status_of bv delete saved@1)" 112 "nor its last checkpoint"
is "$(status_of bv delete saved@7 --force)" 101 "one that is not there: 101"
is "$(bv delete saved@1 --force)" "saved@1: deleted" "by force"
is "$(generations_of saved)" "" "it is gone"
is "$(bv delete ended)" "ended: deleted" "delete of a job that has ended"
is "$(status_of bv show ended)" 101 "it is gone"
is "$(bv delete cut --json | jq -c .)" '{"deleted":"cut"}' "delete --json"
is "$(status_of bv delete none)" 101 "delete of a job that is not there: 101"
is "$(find "$BIVOUAC_STORE/jobs" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' ')" \
    "failed killed live saved " "nothing remains of what was deleted"
run_job ended -- sh -c 'exit 4' || is "$?" 4 "the id of a deleted job can be used anew"
finish_job live
finish_jobs
