#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No job is run for ever: attempts that may be counted, limits that may be overrun only so often, no progress.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/policy/lib/requeue.sh

# Attempts are counted.
run_again counted --deadline +3s --max-attempts 2 -- "${count[@]}" 3000
is "$again_status" 121 "a job that has used up its attempts is not started"
is "$again_count" 3 "after two"
like "$(cat counted.err)" 'has had 2 attempts, and --max-attempts allows 2: nothing was started' "it says so"
like "$(generations_of counted)" '2' "its checkpoint is kept"
start_job counted --max-attempts 3 -- "${count[@]}" 3000
require wait_for events_at_least counted restarted 2
pass "with more attempts allowed it goes on"
end_job

# A limit that may be overrun once: then the job runs into it, as if nobody had been there.
run_again over --deadline +4s --overrun yes --max-restarts 1 -- "${count[@]}" 80
is "$again_status" 5 "nobody ends a job that has overrun its limit too often before the scheduler does"
is "$again_count" 2 "it was restarted once"
is "$(reasons_of over)" "1 overrun" "and the history says why"
is "$(events_of over 'select(.event == "checkpoint-skipped").why')" overrun "and why not once more"
count_output 80 >expected
same_file over.out expected "its output is that of one run"

# All attempts together.
run_again budget --deadline +4s --time-budget 3s -- "${count[@]}" 80
is "$again_count" 2 "beyond the time budget there is no further attempt"
like "$(cat budget.err)" 'the time budget of 3 s is used up' "it says so"

# An attempt that is stopped before anything is saved leads nowhere. Once may be bad luck, twice is an error.
stop_unsaved()
{
    job_start "$work/stuck" stuck --on-signal TERM=checkpoint-and-stop --grace 0 -- "${count[@]}" 3000
    require wait_for events_at_least stuck "$1" "$2"
    kill -TERM "$job_pid"
    job_wait
}
mkdir stuck
stop_unsaved started 1
is "$job_status" 85 "stopped without a checkpoint: once"
stop_unsaved started 2
is "$job_status" 120 "twice"
like "$(cat stuck.err)" 'no progress in two attempts in a row .*it has no checkpoint yet' "it says so"
is "$(count_events stuck no-progress)" 2 "so does the history"
start_job stuck -- "${count[@]}" 3000
require wait_for events_at_least stuck started 3
require job_checkpoint
require job_crash
stop_unsaved restarted 1
is "$job_status" 85 "a checkpoint is progress: the count begins anew"
stop_unsaved restarted 2
is "$job_status" 120 "and so does the error"
like "$(cat stuck.err)" 'its checkpoint 1 is kept' "which says what is kept"
is "$(generations_of stuck)" 1 "and it is"

# A checkpoint that cannot be restored, since the engine fails.
start_job broken -- "${count[@]}" 100
require wait_for says broken 'line 3 .*'
end_job
cat >engine <<'END'
#!/bin/sh
[ "$1" != --version ] || { echo "Version: 4.2"; exit; }
exit 1
END
chmod +x engine
export BIVOUAC_CRIU=$work/engine
restart_broken()
{
    (cd broken && run_job broken -- "${count[@]}" 100) </dev/null >>broken.out 2>>broken.err
}
fails "a restart that fails, fails" 108 restart_broken
fails "the second in a row ends with an error of its own" 120 restart_broken
like "$(cat broken.err)" 'no progress in two attempts in a row \(.*criu.*\); its checkpoint 1 is kept' "which says what is kept"
unset BIVOUAC_CRIU
ok "and it is good" bv verify broken
fails "once the engine works, the job goes on to its end" 5 restart_broken
count_output 100 >expected
same_file broken.out expected "and nothing is lost"
finish_jobs
