#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every point of the removal of a checkpoint, whoever removes it: killed there, the job goes on from the newest, and what
# is left of the other is swept away.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
. /src/tests/fault/lib/checkpoint.sh

points='
remove-begin
remove-hidden
remove-half
'

# The supervisor, when a new checkpoint makes an old one too many.
retention_case()
{
    begin_case "$1" retention
    bivouac checkpoint "$job_id" >>"$checkpoint_log" 2>&1 || problem "the second checkpoint failed"
    steps_reach 30 || problem "the job does not go on"
    fault_arm
    bivouac checkpoint "$job_id" >>"$checkpoint_log" 2>&1 &
    { fault_kill supervisor || :; } 2>/dev/null
    steps_end
    must "the killed supervisor ended with status $job_status" one_of "$job_status" 137
    wait_for no_strangers || problem "processes outlive the supervisor"
    must "the newest generation is $(newest_generation)" test "$(newest_generation)" = 3
    steps_finish 3
    conclude "$1: SIGKILL of the supervisor while it removes what is too old"
}

# The supervisor again, when its job has ended with success.
success_case()
{
    case_number=$((case_number + 1))
    steps_new "$case_number-success-$1"
    steps_status=0
    fault_at "$1"
    fault_disarm
    steps_start
    fault_none
    steps_reach 10 || problem "the job does not run"
    job_checkpoint || problem "the checkpoint failed"
    fault_arm
    steps_open "$steps_total"
    { fault_kill supervisor || :; } 2>/dev/null
    steps_end
    wait_for no_strangers || problem "processes outlive the supervisor"
    fails "$1: a job whose supervisor was killed while it tidied up has ended" 119 \
        bivouac run --job "$job_id" -- true
    must "prune fails" bivouac prune --yes "$job_id"
    must "sockets are left" test -z "$(find "$BIVOUAC_RUNTIME_DIR" -name '*.sock')"
    must "checkpoints are left" test "$(newest_generation)" = 0
    must "leftovers: $(leftovers)" test -z "$(find "$BIVOUAC_STORE/jobs" -name '.deleted*')"
    steps_status=7
    conclude "$1: SIGKILL of the supervisor while it removes all after success, and prune does the rest"
}

# bivouac prune.
prune_case()
{
    local pruner

    case_number=$((case_number + 1))
    steps_two_generations "$case_number-prune-$1"
    fault_at "$1"
    fault_arm
    bivouac prune --keep 1 --yes "$job_id" >>"$checkpoint_log" 2>&1 &
    pruner=$!
    fault_none
    if wait_for fault_reached; then
        { kill -KILL "$pruner" || :; wait "$pruner" || :; } 2>/dev/null
    else
        problem "the point was not reached"
    fi
    fault_disarm
    must "the newest generation is $(newest_generation)" test "$(newest_generation)" = 2
    steps_finish 2
    conclude "$1: SIGKILL of a prune"
}

# The writer, when it makes room within a quota: the checkpoint fails and the job goes on. All of the memory is new each time.
quota_case()
{
    local i

    case_number=$((case_number + 1))
    steps_new "$case_number-quota-$1"
    fault_at "$1"
    fault_disarm
    mkdir "$dir.data"
    head -c 1M /dev/urandom >"$dir.data/file"
    steps_start --keep 9 --quota-job 3500K --capture "$dir.data"
    fault_none
    for i in 1 2 3; do
        steps_reach $((i * 10)) || problem "the job does not run"
        job_checkpoint || problem "checkpoint $i failed"
        head -c 1M /dev/urandom >"$dir.data/file"
    done
    fault_arm
    asked_status=0
    bivouac checkpoint "$job_id" >>"$checkpoint_log" 2>&1 &
    i=$!
    {
        fault_kill writer || :
        wait "$i" || asked_status=$?
    } 2>/dev/null
    must "the request ended with status $asked_status" one_of "$asked_status" 103
    must "the job does not go on" steps_reach 40
    must "the newest generation is $(newest_generation)" test "$(newest_generation)" = 3
    must "a later checkpoint fails" job_checkpoint
    must "what there is does not verify" bivouac verify "$job_id"
    steps_crash
    steps_finish "$(newest_generation)"
    conclude "$1: SIGKILL of the writer while it makes room"
}

steps_reference
for point in $points; do
    retention_case "$point"
    quota_case "$point"
    prune_case "$point"
    success_case "$point"
done
ok "every point of a removal has its cases" every_point_is_listed remove
finish
