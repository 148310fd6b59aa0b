#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every point of a restart, and every process that there is at it: killed, nothing of the job is
# left, and the next restart succeeds.
set -euo pipefail
. /src/tests/fault/lib/checkpoint.sh

points='
restart-claimed     supervisor
restart-unpacked    supervisor
restart-capsule     supervisor init
restart-volatile    supervisor init operation
restart-rolled-back supervisor init operation
restart-engine      supervisor init operation criu
restart-restored    supervisor init
'

# A job with two checkpoints, which has gone on and died.
prepare_case()
{
    case_number=$((case_number + 1))
    steps_new "$case_number-$1-$2"
    steps_start
    steps_reach 10 || problem "the job does not run"
    job_checkpoint || problem "the first checkpoint failed"
    steps_reach 20 || problem "the job does not go on after a checkpoint"
    job_checkpoint || problem "the second checkpoint failed"
    steps_reach 30 || problem "the job does not go on after two checkpoints"
    steps_crash
}

# restart_case POINT VICTIM
restart_case()
{
    prepare_case "$@"
    fault_at "$1"
    fault_arm
    steps_start
    fault_none
    { fault_kill "$2" || :; } 2>/dev/null
    steps_end
    if [[ $2 == supervisor ]]; then
        must "the killed supervisor ended with status $job_status" one_of "$job_status" 137
    else
        must "the attempt ended with status $job_status" one_of "$job_status" 106 108
    fi
    wait_for no_strangers || problem "processes outlive the supervisor: $(strangers | tr '\n' ';')"
    must "the newest generation is not the second" test "$(newest_generation)" = 2
    steps_finish 2
    conclude "$1: SIGKILL of the $2"
}

steps_reference
while read -r point victims; do
    for victim in $victims; do
        restart_case "$point" "$victim"
    done
done <<<"$points"
ok "every point of a restart has its cases" every_point_is_listed restart
finish
