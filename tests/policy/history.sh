#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac history tells the truth: over attempts, after a supervisor was killed, and for a job that
# was carried to another store.
# shellcheck disable=SC2016,SC2317 # a shell expands; functions are called by name
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# attempt N FILTER: of "history --json" in the file json.
attempt()
{
    jq -c ".attempts[$1] | $2" json
}

# A life: started in a job of Slurm, checkpointed, killed with its supervisor, gone on with in
# another, checkpointed and ended, gone on with, ended.
export SLURM_JOB_ID=4711
hold life --lease 1
unset SLURM_JOB_ID
ok "a checkpoint" bv checkpoint life
ran_on()
{
    jq -e '.attempts[0].running_s > .checkpoints[0].position_s + 1' <(bv history life --json)
}
require wait_for ran_on
require job_crash
is "$(bv history life --json | jq -c '[.state, .attempts[].end]')" '["interrupted","lost"]' \
    "a killed supervisor leaves an attempt that is lost"
like "$(bv history life)" 'attempt 0 was lost: this is the last sign of it' "the text says so"
is "$(bv history life --json | jq '.totals.lost_s > 0.3')" true "the work behind the checkpoint is lost"

export SLURM_JOB_ID=4720 SLURM_ARRAY_JOB_ID=4719 SLURM_ARRAY_TASK_ID=3
start_job life -- ignored
unset SLURM_JOB_ID SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID
require wait_for is_state life running
ok "checkpointed and ended" bv checkpoint life --kill
job_wait
start_job life -- ignored
require wait_for is_state life running
finish_job life
is "$job_status" 5 "the job has ended"

bv history life >text
sed 's/^/# /' text
line()
{
    ok "a line says: $1" grep -qE "^20[0-9-]{8} [0-9:]{8}Z  $1" text
}
line "submitted by alice, slurm job 4711: sh -c 'echo ready"
line 'attempt 0 started on testbed, slurm job 4711$'
line 'checkpoint @1 \(request\), frozen [0-9.]+ s, .* stored of .*, [0-9.]+ s in all$'
line 'attempt 0 was lost: this is the last sign of it$'
line 'attempt 1 goes on from @1 on testbed, slurm job 4719_3, restored in [0-9.]+ s$'
line 'attempt 1 ended with a checkpoint, CPU time [0-9.]+ s$'
line 'attempt 2 goes on from @2 on testbed, restored in [0-9.]+ s$'
line 'attempt 2 ended with exit status 5, CPU time [0-9.]+ s$'
is "$(grep -E '^20' text | cut -c 1-20 | sort -c && echo sorted)" sorted "the lines are in the order of time"
like "$(<text)" $'\nran +[0-9.]+ s in 3 attempts, 2 checkpoints, 0 failed\n' "the sums"
like "$(<text)" 'efficiency [0-9.]+ %' "and the efficiency"

bv history life --json >json
is "$(keys_of . <json)" "attempts checkpoints events job state totals" "--json: keys"
is "$(keys_of .totals <json)" \
    "attempts checkpoints cpu_s efficiency failures frozen_s lost_s restore_s running_s saved_s" "--json: keys of the totals"
is "$(jq -c '[.attempts[] | [.attempt, .end, .number, .generation, .checkpoints]]' json)" \
    '[[0,"lost",null,null,1],[1,"checkpointed",null,1,1],[2,"exited",5,2,0]]' "--json: the attempts"
is "$(attempt 0 '[.scheduler, .scheduler_job, .host]')" '["slurm","4711","testbed"]' "--json: the scheduler's job"
is "$(attempt 1 '[.scheduler, .scheduler_job]')" '["slurm","4719_3"]' "another one for another attempt"
is "$(attempt 2 .scheduler)" null "and of none"
is "$(jq -c '[.checkpoints[] | [.generation, .attempt, .why]]' json)" '[[1,0,"request"],[2,1,"request"]]' \
    "--json: the checkpoints"
is "$(jq '.totals | .saved_s > 0 and .frozen_s > 0 and .restore_s > 0 and .cpu_s > 0' json)" true "--json: the sums"
is "$(jq '(.totals.lost_s - .attempts[0].lost_s) | fabs < 0.001' json)" true "only attempt 0 has lost work"
is "$(jq '.attempts[0].lost_s > 0.3 and .attempts[0].lost_s <= .attempts[0].running_s' json)" true "and how much"
is "$(jq '.totals.efficiency > 0 and .totals.efficiency < 1' json)" true "--json: the efficiency"
is "$(jq '[.checkpoints[].position_s] | .[0] < .[1]' json)" true "--json: work goes on"

# The submission, as it lies in the store.
is "$(jq -c 'select(.event == "submitted") | [.user, .scheduler, .scheduler_job, .command[0]]' \
    "$BIVOUAC_STORE/jobs/life/events.jsonl")" '["alice","slurm","4711","sh"]' "what is written at the submission"

# A torn line, and lines that are none.
printf '{"event":"started","attempt":9,"time":"x"}\nnonsense\n{"attempt":3,"ev' >>"$BIVOUAC_STORE/jobs/life/events.jsonl"
is "$(bv history life --json | jq -c '[.attempts[].end]')" '["lost","checkpointed","exited"]' \
    "torn and foreign lines change nothing"
like "$(bv history life)" '1 line of the history cannot be read' "but are told of"

# What could steer a terminal is shown as text.
bv run --job 'evil' -- printf $'\e[2J\x07' >/dev/null
unlike "$(bv history evil)" $'\e|\x07' "no control character reaches the terminal"
like "$(bv history evil)" '\\x1b\[2J' "they are shown as text"

# Deadlines.
bv run --job hurried --deadline +1h -- true
like "$(bv history hurried)" 'the deadline is 20[0-9-]+ [0-9:]+Z \(deadline\)' "a deadline is told as a time"

# Carried to another store.
hold carried
ok "a checkpoint" bv checkpoint carried
ok "it is exported" bash -c 'bivouac export carried >carried.export'
finish_job carried
ok "and imported" bash -c 'bivouac import --store "$1/other" --job copy <carried.export' - "$work"
rm carried/go
(cd carried && exec bivouac restart --store "$work/other" copy </dev/null >../copy.out 2>../copy.err) &
job_pid=$!
is_running_there()
{
    [[ $(bv list --store "$work/other" --json | jq -r '.jobs[0].state') == running ]]
}
require wait_for is_running_there
finish_job carried
is "$job_status" 5 "the copy has ended"
bv history --store "$work/other" copy >text
line 'imported from carried@1$'
line 'attempt 0 goes on from @1 on testbed, restored in'
bv history --store "$work/other" copy --json >json
is "$(jq -c '[.attempts[] | [.attempt, .end]]' json)" '[[0,"left"],[0,"exited"]]' "the attempt before the export was left"
is "$(jq '.attempts[1].saved_s > 0 and .totals.checkpoints == 1' json)" true "the copy knows what the checkpoint has saved"

# As it happens.
hold followed
bv history --follow followed >follow.out &
follower=$!
require wait_for grep -q 'attempt 0 started' follow.out
ok "a checkpoint" bv checkpoint followed
ok "is told of at once" wait_for grep -q 'checkpoint @1' follow.out
finish_job followed
wait "$follower" && follower=0 || follower=$?
is "$follower" 0 "--follow ends with the job"
is "$(grep -c '^20' follow.out)" "$(bv history followed | grep -c '^20')" "and has told all of it once"
like "$(<follow.out)" 'efficiency' "with the sums"

# Refusals.
is "$(status_of bv history)" 2 "without a job: usage"
is "$(status_of bv history life@1)" 2 "of a generation: usage"
is "$(status_of bv history life --json --follow)" 2 "--json and --follow: usage"
is "$(status_of bv history none)" 101 "a job that is not there: 101"
is "$(status_of bv history none --json)" 101 "also with --json"
is "$(jq -r .error.name out)" BV_ENOJOB "which names the error"
finish_jobs
