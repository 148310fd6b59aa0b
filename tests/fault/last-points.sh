#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The end of an attempt that the policy has decided: killed at each of its points, the job can be run again from the
# checkpoint that was committed, and nothing is lost.
set -euo pipefail
. /src/tests/fault/lib/steps.sh

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
ok "every point of the last checkpoint has its cases" points_are_all
finish
