#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: timeout=900
# echkpnt, what it has started, the supervisor's parts and the engine are killed at every step of a "bchkpnt -k"; LSF
# takes an echkpnt that is killed for one that succeeded. The checkpoints that are there are good, and a brestart goes on.
# Then bkill and the run limit in the middle of a checkpoint.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
# shellcheck source=tests/sched/lsf/lib/lsf.sh
. /src/tests/sched/lsf/lib/lsf.sh
# shellcheck source=tests/fault/lib/faults.sh
. /src/tests/fault/lib/faults.sh

faults=$work/faults
mkdir "$faults"
count=40

# A job that lives until it is told to come to its end.
cat >gated <<'END'
#!/bin/bash
for ((i = 1; i <= 40; i++)); do
    echo "tick $i"
    sleep 0.05
    until ((i < 20)) || [[ -e gate ]]; do sleep 0.05; done
done
exit 7
END
chmod +x gated

# Point, who is killed, what LSF is told of echkpnt, and which checkpoints may be the newest then.
# "method" is the process that LSF has started, "child" the one that does the work. At checkpoint-receive CRIU is in the
# middle of its work; at checkpoint-frozen it has sent everything, and keeps the job from running.
cases='
lsf-echkpnt-begin    method     succeeded 1
lsf-echkpnt-begin    child      failed    1
checkpoint-begin     method     succeeded 1|2
checkpoint-begin     child      failed    1|2
checkpoint-staged    method     succeeded 1|2
checkpoint-dump      method     succeeded 1|2
checkpoint-frozen    method     succeeded 1|2
checkpoint-captured  method     succeeded 1|2
checkpoint-pack-half method     succeeded 1|2
checkpoint-manifest  method     succeeded 1|2
checkpoint-commit    method     succeeded 1|2
checkpoint-committed method     succeeded 2
lsf-echkpnt-asked    method     succeeded 2
lsf-echkpnt-asked    child      failed    2
lsf-echkpnt-told     method     succeeded 2
lsf-echkpnt-told     child      failed    2
lsf-echkpnt-left     method     succeeded 2
lsf-echkpnt-left     child      failed    2
checkpoint-dump      operation  failed    1
checkpoint-receive   criu       failed    1
checkpoint-frozen    criu       failed    1
checkpoint-pack-half writer     failed    1
checkpoint-commit    supervisor failed    1
'

leader()
{
    jq -r .pgid "$LSF_SIM/jobs/$1.json"
}

# lsf_pid VICTIM
lsf_pid()
{
    local method

    method=$(<"$LSF_SIM/jobs/$job.actpid")
    case $1 in
    method) printf '%s\n' "$method" ;;
    child) pgrep -P "$method" ;;
    *) pid_of "$1" ;;
    esac
}

no_action()
{
    flock -n "$LSF_SIM/jobs/$job.action" true
}

# begin [OPTION…]: a job with one checkpoint; the fault is armed. Sets job and first.
begin()
{
    problems=()
    rm -f gate
    fault_disarm
    job=$(submit "$@" -k "$ckpt method=bivouac" ./gated)
    first=$job
    require reached "$job" 5
    job_pid=$(pgrep -g "$(leader "$job")" -x bivouac)
    checkpoint "$job"
    require test "$last_checkpoint" = succeeded
    fault_arm
}

# go_on NEWEST: what is there is good, and the job comes to its end from it, with every line once.
go_on()
{
    wait_for no_action || problem "echkpnt does not end"
    if ! has_ended "$job"; then
        # Not saved, or saved and not killed: then it lives, and its host crashes.
        sleep 0.2
        kill -KILL -- "-$(leader "$job")" 2>/dev/null || :
    fi
    wait_for has_ended "$job" || problem "the job does not end"
    wait_for no_strangers || problem "processes are left: $(strangers | tr '\n' ';')"
    must "a checkpoint does not verify" bivouac verify "lsf-$first" --store "$ckpt/$job/.bivouac"
    newest=$(generations "$ckpt/$job" | tail -n 1)
    # shellcheck disable=SC2086
    must "the newest checkpoint is $newest, not $1" one_of "$((10#$newest))" ${1//|/ }
    touch gate
    job=$(restart "$ckpt" "$job")
    status=$(ended "$job")
    must "it ends with '$status'" test "$status" = "Exited with exit code 7"
    [[ $(bpeek "$job" | grep '^tick ') == "$(seq -f 'tick %g' "$count")" ]] || problem "its output is not whole"
}

conclude()
{
    if ((${#problems[@]} == 0)); then
        pass "$1"
        return
    fi
    not_ok "$1"
    printf 'problem: %s\n' "${problems[@]}" | diag
    tail -n 12 "$ckpt/$job/bivouac.log" "$LSF_SIM/jobs/$first.hist" 2>&1 | diag
}

kill_case()
{
    local point=$1 victim=$2 expected=$3 newest=$4 pid told

    fault_at "$point"
    begin
    fault_none
    bchkpnt -k -p 0 "$job" >/dev/null || problem "bchkpnt is refused"
    if wait_for fault_reached; then
        pid=$(lsf_pid "$victim") || problem "there is no $victim"
        [[ -z $pid ]] || kill_dead "$pid" || problem "$victim is gone, or does not die"
    else
        problem "the point was not reached"
    fi
    fault_disarm
    wait_for no_action || problem "echkpnt does not end"
    told=$(bhist "$job" | sed -nE 's/.*Checkpoint (succeeded|failed).*/\1/p' | tail -n 1)
    must "LSF says that the checkpoint $told" test "$told" = "$expected"
    go_on "$newest"
    conclude "$point: SIGKILL of $victim"
}

while read -r point victim expected newest; do
    [[ -z $point ]] || kill_case "$point" "$victim" "$expected" "$newest"
done <<<"$cases"

ours()
{
    sed -n 's/^    "\(lsf-echkpnt-[a-z-]*\)".*/\1/p' /src/src/base/fault.c | sort
}
is "$(awk '/^lsf-/ { print $1 }' <<<"$cases" | sort -u)" "$(ours)" "every point of echkpnt has its cases"

# --- bkill in the middle ---

for point in checkpoint-dump checkpoint-frozen checkpoint-pack-half checkpoint-commit; do
    for option in "-s KILL" ""; do
        fault_at "$point"
        begin
        fault_none
        bchkpnt -k -p 0 "$job" >/dev/null || problem "bchkpnt is refused"
        wait_for fault_reached || problem "the point was not reached"
        # shellcheck disable=SC2086
        bkill $option "$job" >/dev/null
        sleep 0.3
        fault_disarm
        wait_for has_ended "$job" || problem "bkill does not end it"
        go_on "1|2"
        conclude "bkill${option:+ $option} at $point"
    done
done

# --- the run limit in the middle ---

# A checkpoint without -k is being made: LSF begins no second one. The hook asks again until it does.
fault_at checkpoint-frozen
export ENABLE_ORUN_CHKPNT=Y ENABLE_ORUN_RESTART=n LSF_SIM_MINUTE=8
begin -q orun -W 1
fault_none
bchkpnt -p 0 "$job" >/dev/null || problem "bchkpnt is refused"
wait_for fault_reached || problem "the point was not reached"
wait_for hist_has "$job" "RUNLIMIT was reached" || problem "the limit does not come"
wait_for grep -q "a checkpoint is requested" "$ckpt/$job/bivouac.log" || problem "the hook is not called"
sleep 1
fault_disarm
must "it is not saved and killed" test "$(ended "$job")" = "Exited by signal 9"
must "the state is not \"checkpointed\"" test "$(jq -r .state "$ckpt/$job/.bivouac-overrun")" = checkpointed
must "both checkpoints are there" hist_has "$job" "Checkpoint succeeded" 3
export LSF_SIM_MINUTE=60
go_on 3
conclude "the run limit in the middle of a checkpoint: the job is saved behind it"
finish_lsf
