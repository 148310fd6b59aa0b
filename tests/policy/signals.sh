#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signals that mean something to the supervisor: a checkpoint, a preemption; and the stop of the whole job.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/policy/lib/requeue.sh

# hold_counting ID [OPTION…]: a job that has begun to count.
hold_counting()
{
    start_job "$1" "${@:2}" -- "${count[@]}" 100
    require wait_for lines_at_least "$work/$1.out" 3
}

count_output 100 >expected
rules=SIGUSR1=checkpoint,SIGTERM=checkpoint-and-stop,USR2=ignore

hold_counting preempted --on-signal $rules
kill -USR1 "$job_pid"
require wait_for events_at_least preempted checkpointed 1
ok "a signal makes a checkpoint, and the job goes on" job_runs
kill -USR2 "$job_pid"
kill -TERM "$job_pid"
job_wait
is "$job_status" 85 "a notice of preemption saves the job and ends the attempt"
is "$(events_of preempted 'select(.event == "checkpointed").why' | tr '\n' ' ')" "signal:SIGUSR1 signal:SIGTERM " \
    "the history names the signals"
is "$(events_of preempted 'select(.event == "ended").status')" checkpointed "the attempt has ended as one that goes on"
run_again preempted --on-signal $rules -- "${count[@]}" 100
is "$again_status" 5 "run again, it ends as it should"
same_file preempted.out expected "and its output is that of one run"

# Without a rule a signal is the job's.
hold_counting plain --on-signal SIGUSR1=checkpoint
kill -TERM "$job_pid"
job_wait
is "$job_status" 143 "without a rule the job dies of the signal"
fails "and has ended" 119 run_job plain -- true

# The status that a scheduler wants.
hold_counting status --on-signal TERM=checkpoint-and-stop --requeue-exit 99
kill -TERM "$job_pid"
job_wait
is "$job_status" 99 "the exit status can be chosen"
run_job status -- true >>status.out 2>>status.err || is $? 5 "and the job goes on"
same_file status.out expected "with all of its output"
BIVOUAC_ON_SIGNAL=TERM=checkpoint-and-stop BIVOUAC_REQUEUE_EXIT=75 hold_counting variable
kill -TERM "$job_pid"
job_wait
is "$job_status" 75 "the environment will do, too"

# The grace does not suffice, which is known from the checkpoint before.
hold_counting short --on-signal $rules --grace 0.01
kill -USR1 "$job_pid"
require wait_for events_at_least short checkpointed 1
wait_for lines_at_least short.out 20
kill -TERM "$job_pid"
job_wait
is "$job_status" 85 "when the grace is too short the attempt ends all the same"
like "$(cat short.err)" 's are left and a checkpoint takes about [0-9.]+ s: none is made' "it says why nothing was saved"
is "$(events_of short 'select(.event == "checkpoint-skipped").why')" signal:SIGTERM "so does the history"
is "$(events_of short 'select(.event == "ended").status')" stopped "which says how the attempt ended"
is "$(generations_of short)" 1 "the checkpoint before is kept"
is "$(state_of short)" stopped "and the list says so"
run_again short -- "${count[@]}" 100
is "$again_status" 5 "the job goes on from there"
same_file short.out expected "and its output is that of one run"

# A notice that comes while the job is restored needs a restore that waits: fault/last-points.sh.

# Suspended: everything of the job stops, its supervisor does not.
job_states()
{
    ps -o stat= --ppid "$(pgrep -P "$job_pid" -x bivouac-init)" | cut -c 1 | sort -u | tr -d '\n'
}
is_stopped()
{
    [[ $(job_states) == T ]]
}
is_awake()
{
    [[ $(job_states) != *T* ]]
}
hold_counting paused --every 1s --lease 2s
require wait_for events_at_least paused checkpointed 1
kill -TSTP "$job_pid"
ok "SIGTSTP stops the whole job" wait_for is_stopped
made=$(count_events paused checkpointed)
sleep 3
is "$(count_events paused checkpointed)" "$made" "while it is stopped no periodic checkpoint is made"
fails "its supervisor keeps the lease" 112 run_job paused -- true
ok "and makes a checkpoint when asked" bv checkpoint paused
ok "after which the job is still stopped" is_stopped
kill -CONT "$job_pid"
ok "SIGCONT lets it go on" wait_for is_awake
job_wait
is "$job_status" 5 "to its end"
same_file paused.out expected "with all of its output"
finish_jobs
