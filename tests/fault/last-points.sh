#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The end of an attempt that the policy has decided: killed at each of its points, the job can be run again from the
# checkpoint that was committed, and nothing is lost; the same if the last checkpoint is damaged before it is verified,
# or if the notice comes while the job is restored.
set -euo pipefail
. /src/tests/fault/lib/steps.sh
. /src/tests/lib/damage.sh

# Who lives at each point, and which generation counts behind it.
points='
last-verify    2 supervisor init verifier
last-verified  2 supervisor init
last-end       1 supervisor init
'

# last_case POINT GENERATION VICTIM
last_case()
{
    local point=$1 generation=$2 victim=$3 grace=60

    case_number=$((case_number + 1))
    # Without time no new checkpoint is made.
    [[ $point != last-end ]] || grace=0
    steps_new "$case_number-$point-$victim"
    fault_at "$point"
    fault_disarm
    steps_start --on-signal TERM=checkpoint-and-stop --grace "$grace"
    fault_none
    steps_reach 10 || problem "the job does not run"
    job_checkpoint || problem "the first checkpoint failed"
    steps_reach 20 || problem "the job does not go on after the first checkpoint"
    fault_arm
    kill -TERM "$job_pid"
    { fault_kill "$victim" || :; } 2>/dev/null
    steps_end
    must "the attempt ended with status $job_status" one_of "$job_status" 85 106 137
    wait_for no_strangers || problem "processes outlive the supervisor: $(strangers | tr '\n' ';')"
    must "the newest generation is $(newest_generation)" test "$(newest_generation)" = "$generation"
    steps_finish "$generation"
    conclude "$point: SIGKILL of the $victim"
}

# --- what does not verify -------------------------------------------------------------------

generation()
{
    printf '%s/jobs/%s/%06d\n' "$BIVOUAC_STORE" "$job_id" "$1"
}

# events_of FILTER
events_of()
{
    jq -r "$1" "$BIVOUAC_STORE/jobs/$job_id/events.jsonl"
}

# refuted_case POINT FILE: the last checkpoint is damaged between its commit and its end, while the job is frozen. The gate
# that is open then lets the job write ten lines more if it runs on.
refuted_case()
{
    case_number=$((case_number + 1))
    steps_new "$case_number-refuted-$2"
    fault_at "$1"
    fault_disarm
    steps_start --on-signal TERM=checkpoint-and-stop --grace 120
    fault_none
    steps_reach 10 || problem "the job does not run"
    job_checkpoint || problem "the first checkpoint failed"
    steps_reach 20 || problem "the job does not go on after the first checkpoint"
    fault_arm
    kill -TERM "$job_pid"
    wait_for fault_reached || problem "the point was not reached"
    : >"$gates/20"
    flip "$(generation 2)/$2" || problem "there is no $2 to damage"
    must "the job was not frozen" steps_are 20
    fault_disarm
    steps_end
    must "the attempt ended with status $job_status" one_of "$job_status" 85
    must "the job did not run on" steps_are 30
    must "the bad checkpoint is still there" test ! -e "$(generation 2)"
    must "the one before is damaged" bivouac verify "$job_id@1"
    must "the history tells it as: $(events_of 'select(.event == "checkpoint-failed")')" \
        test "$(events_of 'select(.event == "checkpoint-failed") | [.why, .code] | join(" ")')" = \
        "signal:SIGTERM BV_ECORRUPT"
    must "nor says which" grep -q 'generation 2 was written and does not verify' "$BIVOUAC_STORE/jobs/$job_id/events.jsonl"
    must "the user is not told" grep -q 'no checkpoint of job .*generation 2 was written and does not verify' "$dir.err"
    must "the next one is not told as good" \
        test "$(events_of 'select(.event == "checkpointed") | [.generation, .verified] | join(" ")')" = $'1 \n3 all'
    steps_finish 3
    conclude "a last checkpoint whose $2 is damaged before it is verified"
}

# --- a notice of preemption before the job runs ---------------------------------------------

# early_case POINT: at it the signals come that mean something to the supervisor; only the last one ends the attempt.
early_case()
{
    case_number=$((case_number + 1))
    steps_new "$case_number-early-$1"
    steps_start
    steps_reach 10 || problem "the job does not run"
    job_checkpoint || problem "the checkpoint failed"
    steps_crash
    fault_at "$1"
    fault_arm
    steps_start --on-signal USR1=checkpoint,USR2=ignore,TERM=checkpoint-and-stop
    fault_none
    wait_for fault_reached || problem "the point was not reached"
    kill -USR1 "$job_pid"
    kill -USR2 "$job_pid"
    sleep 0.2
    must "a signal that does not end the attempt has ended it" job_runs
    kill -TERM "$job_pid"
    # The supervisor itself stands at this one.
    [[ $1 != restart-unpacked ]] || fault_disarm
    steps_end
    must "the attempt ended with status $job_status" one_of "$job_status" 85
    must "the history tells the end as $(events_of 'select(.event == "ended")')" \
        test "$(events_of 'select(.event == "ended" and .attempt == 1) | .status')" = stopped
    must "the job has run" test -z "$(events_of 'select(.event == "restarted").attempt')"
    must "the history does not say that it came to nothing" \
        test "$(events_of 'select(.event == "no-progress").why')" = stopped
    wait_for no_strangers || problem "processes outlive the supervisor: $(strangers | tr '\n' ';')"
    must "the newest generation is $(newest_generation)" test "$(newest_generation)" = 1
    fault_disarm
    steps_finish 1
    conclude "$1: a notice of preemption"
}

# shellcheck disable=SC2317 # called by name
points_are_all()
{
    diff <(sed -n 's/^    "\(last-[a-z-]*\)".*/\1/p' /src/src/base/fault.c | sort) <(awk 'NF { print $1 }' <<<"$points" | sort)
}

steps_reference
while read -r point generation victims; do
    for victim in $victims; do
        last_case "$point" "$generation" "$victim"
    done
done <<<"$points"
refuted_case last-verify pack-000002.bvp
refuted_case checkpoint-committed manifest
for point in restart-unpacked restart-volatile restart-engine; do
    early_case "$point"
done
ok "every point of the last checkpoint has its cases" points_are_all
finish
