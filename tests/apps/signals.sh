#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Exit codes, deaths by signal and signals pass through Bivouac, before and after a restart; a stopped job stays stopped.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh

work_in "$(scratch)"

# The shell cannot tell exit 143 from a death by SIGTERM; this prints -15 for the latter.
status_of()
{
    python3 -c 'import subprocess, sys; print(subprocess.call(sys.argv[1:], stderr=subprocess.DEVNULL))' "$@"
}

# A job in the background whose true status will be in DIR.status. Sets job_pid to the supervisor's.
start_watched()
{
    local dir=$1

    job_id=$2
    mkdir -p "$dir"
    rm -f "$dir.status" "$dir.pid"
    shift 2
    (cd "$dir" && exec env --default-signal python3 -c '
import os, subprocess, sys
p = subprocess.Popen(sys.argv[3:])
with open(sys.argv[1] + ".tmp", "w") as f:
    print(p.pid, file=f)
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
print(p.wait(), file=open(sys.argv[2], "w"))' "$dir.pid" "$dir.status" bivouac run --job "$job_id" -- "$@") \
        </dev/null >>"$dir.out" 2>>"$dir.err" &
    require wait_for test -s "$dir.pid"
    job_pid=$(<"$dir.pid")
}

status_is()
{
    wait_for test -s "$1.status" || { kill -KILL "$job_pid"; return; }
    is "$(<"$1.status")" "$2" "$3"
}

# send SIGNAL PID: a process that is gone shows in the check that follows.
send()
{
    kill "-$1" "$2" || diag "no process $2 for SIG$1"
}

has_line()
{
    grep -qx "$2" "$1"
}

has_twice()
{
    [[ $(grep -cx "$2" "$1") == 2 ]]
}

# process NAME: the one process of the job with this name, as seen from here.
process()
{
    pgrep -x "$1" || echo none
}

running()
{
    [[ $(process "$1") != none ]]
}

stopped()
{
    [[ $(ps -o stat= -p "$(process "$1")") == T* ]]
}

is "$(status_of bivouac run --job seven -- sh -c 'exit 7')" 7 "exit status 7 comes back"
for pair in TERM:-15 KILL:-9 USR1:-10; do
    is "$(status_of bivouac run --job "die-${pair%:*}" -- sh -c "kill -${pair%:*} \$\$")" "${pair#*:}" \
        "death by SIG${pair%:*} comes back as such"
done

# The same after a restart.
start_watched "$work/late" late "$apps/ticker" 200 7
require wait_for has_line "$work/late.out" "tick 20 of 200"
ok "a ticker is checkpointed and killed" job_checkpoint --kill
status_is "$work/late" 85 "it ends with status 85"
start_watched "$work/late" late "$apps/ticker" 200 7
status_is "$work/late" 7 "restarted, exit status 7 comes back"
is "$(cat "$work/late.out")" "$(for i in {1..200}; do echo "tick $i of 200"; done)" "its output is whole"

start_watched "$work/dying" dying "$apps/ticker" 3000
require wait_for has_line "$work/dying.out" "tick 20 of 3000"
ok "another one is checkpointed and killed" job_checkpoint --kill
status_is "$work/dying" 85 "it ends with status 85, too"
lines=$(wc -l <"$work/dying.out")
start_watched "$work/dying" dying "$apps/ticker" 3000
require wait_for lines_at_least "$work/dying.out" $((lines + 10))
send TERM "$job_pid"
status_is "$work/dying" -15 "restarted and sent SIGTERM, Bivouac dies by it"

# Signals reach the job's handlers.
start_watched "$work/signals" signals "$apps/signals"
require wait_for has_line "$work/signals.out" ready
for signal in USR1 TERM INT HUP USR2; do
    send "$signal" "$job_pid"
    ok "SIG$signal reaches the job" wait_for has_line "$work/signals.out" "got SIG$signal"
done
ok "it is checkpointed and killed" job_checkpoint --kill
status_is "$work/signals" 85 "it ended by the checkpoint"
start_watched "$work/signals" signals "$apps/signals"
# Before that, a signal ends the restart.
require wait_for grep -q 'job signals goes on' "$work/signals.err"
for signal in TERM INT USR1; do
    send "$signal" "$job_pid"
    ok "after the restart SIG$signal reaches the job" wait_for has_twice "$work/signals.out" "got SIG$signal"
done
send QUIT "$job_pid"
status_is "$work/signals" 3 "after SIGQUIT it ends as it wants"

# A stopped job.
start_watched "$work/stopped" stopped "$apps/ticker" 300
require wait_for has_line "$work/stopped.out" "tick 30 of 300"
send STOP "$(process ticker)"
require wait_for stopped ticker
ok "a stopped job is checkpointed and killed" job_checkpoint --kill
status_is "$work/stopped" 85 "it ended by the checkpoint, too"
lines=$(wc -l <"$work/stopped.out")
start_watched "$work/stopped" stopped "$apps/ticker" 300
require wait_for running ticker
ok "restarted, it is stopped" wait_for stopped ticker
is "$(wc -l <"$work/stopped.out")" "$lines" "and has done nothing"
send CONT "$(process ticker)"
status_is "$work/stopped" 0 "continued, it ends"
is "$(tail -n 1 "$work/stopped.out")" "tick 300 of 300" "with its last line"

# checkpoint --stop leaves it stopped.
start_watched "$work/halted" halted "$apps/ticker" 300
require wait_for has_line "$work/halted.out" "tick 30 of 300"
ok "checkpoint --stop" job_checkpoint --stop
ok "leaves the job stopped" wait_for stopped ticker
send CONT "$(process ticker)"
status_is "$work/halted" 0 "continued, it ends as well"

wait
remains_nothing "$work"
logs_if_failed "$work"
finish
