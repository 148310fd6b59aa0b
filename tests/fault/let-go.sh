#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What becomes of the job when a checkpoint breaks off that has let go of it already: one that was to be left stopped
# goes on, and one that dies of a killed engine is told from one that dies by itself.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
. /src/tests/fault/lib/checkpoint.sh

# The job, as it is seen here.
root_pid()
{
    pgrep -P "$(pid_of init)" -x steps
}

generation_is()
{
    [[ $(newest_generation) == "$1" ]]
}

is_stopped()
{
    [[ $(ps -o stat= -p "$1") == T* ]]
}

# stopped_case POINT VICTIM: the checkpoint fails, and nobody but the supervisor can let the job go on.
stopped_case()
{
    begin_case "$1" "$2"
    checkpoint_with_fault "$2" --stop
    must "the request succeeded" test "$asked_status" != 0
    go_on_and_crash "$1, $2"
    must "there is a second checkpoint" test "$(newest_generation)" = 1
    steps_finish 1
    conclude "$1 --stop: SIGKILL of the $2, and the job goes on"
}

# The engine is killed with the job in its hands, which lives on and dies of what could be the damage.
interrupted_case()
{
    checkpoint_with_fault criu
    must "the request ended with status $asked_status" test "$asked_status" = 106
    steps_reach 30 || problem "the job does not go on"
}

die_of_it()
{
    kill -SEGV "$(root_pid)" || problem "there is no job to be killed"
    steps_end
    must "the attempt ended with status $job_status, not $1" test "$job_status" = "$1"
}

# A terminal's master is handed over by another way than images are.
start_on_terminal()
{
    mkfifo "$dir.quiet"
    exec 9<>"$dir.quiet"
    (cd "$dir" && exec env --default-signal script -qefc "exec bivouac run --job $job_id -- ${steps_command[*]} \
        $gates $steps_total $steps_status $steps_memory" /dev/null) <&9 >>"$dir.err" 2>&1 &
    terminal=$!
    wait_for pgrep -P "$terminal" -x bivouac >/dev/null || problem "nothing runs on the terminal"
    job_pid=$(pgrep -P "$terminal" -x bivouac)
}

steps_reference

stopped_case checkpoint-frozen criu
stopped_case checkpoint-resumed writer
stopped_case checkpoint-packed writer

# It was to be left stopped, and is.
begin_case checkpoint-packed none
fault_disarm
must "a checkpoint that leaves the job stopped fails" job_checkpoint --stop
must "the job is not stopped" is_stopped "$(root_pid)"
kill -CONT "$job_pid"
steps_reach 30 || problem "the job does not go on"
steps_crash
steps_finish 2
conclude "one that succeeds leaves the job stopped, until its supervisor gets SIGCONT"

# Whoever asks when it is committed, and not quite over, is not refused; whoever was told of it can ask for the next.
begin_case operation-told none
bivouac checkpoint "$job_id" >>"$checkpoint_log" 2>&1 &
client=$!
wait_for fault_reached || problem "the point was not reached"
wait_for generation_is 2 || problem "there is no second checkpoint"
bivouac checkpoint "$job_id" >>"$checkpoint_log" 2>&1 &
second=$!
sleep 0.5
fault_disarm
wait "$client" || problem "the request failed"
wait "$second" || problem "the second request failed"
must "the next request failed" bivouac checkpoint "$job_id"
steps_reach 30 || problem "the job does not go on"
steps_crash
steps_finish 3
conclude "a checkpoint ends with its operation"

begin_case checkpoint-frozen criu
interrupted_case
die_of_it 106
must "it is not said why" grep -q "died of a checkpoint that was interrupted" "$dir.err"
steps_finish 1
conclude "a job that dies behind a killed engine is to be run again"

begin_case checkpoint-frozen criu
interrupted_case
fault_disarm
job_checkpoint || problem "the next checkpoint failed"
die_of_it 139
conclude "a good checkpoint shows that it was not damaged: what it dies of is its own"

case_number=$((case_number + 1))
steps_new "$case_number-terminal"
fault_at checkpoint-frozen
fault_disarm
start_on_terminal
fault_none
steps_reach 10 || problem "the job does not run"
job_checkpoint || problem "the first checkpoint failed"
steps_reach 20 || problem "the job does not go on"
fault_arm
interrupted_case
kill -SEGV "$(root_pid)" || problem "there is no job to be killed"
job_pid=$terminal
steps_end
must "the attempt ended with status $job_status" test "$job_status" = 106
must "it is not said why" grep -q "died of a checkpoint that was interrupted" "$dir.err"
wait_for no_strangers || problem "processes are left"
conclude "the same on a terminal"
finish
