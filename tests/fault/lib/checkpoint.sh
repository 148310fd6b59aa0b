# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The cases of a checkpoint: a point, a victim, and what follows.

# shellcheck source=tests/fault/lib/steps.sh
. /src/tests/fault/lib/steps.sh

# Who lives at each point while the job runs on, and who besides when it is to be ended.
points='
checkpoint-begin      supervisor init
checkpoint-staged     supervisor init
checkpoint-pack-open  supervisor init writer
checkpoint-dump       supervisor init writer operation
checkpoint-receive    supervisor init writer operation criu
checkpoint-frozen     supervisor init writer operation criu
checkpoint-captured   supervisor init writer operation criu
checkpoint-resumed    supervisor init writer operation
checkpoint-pack-half  supervisor init writer | operation criu
checkpoint-packed     supervisor init writer | operation criu
checkpoint-manifest   supervisor init writer | operation criu
checkpoint-commit     supervisor init        | operation criu
checkpoint-committed  supervisor init        | operation criu
'

# Up to the checkpoint that is to fail; the one before is committed.
begin_case()
{
    case_number=$((case_number + 1))
    steps_new "$case_number-${1#checkpoint-}-$2"
    fault_at "$1"
    fault_disarm
    steps_start
    fault_none
    steps_reach 10 || problem "the job does not run"
    job_checkpoint || problem "the first checkpoint failed"
    steps_reach 20 || problem "the job does not go on after the first checkpoint"
    fault_arm
}

# checkpoint_with_fault VICTIM [--kill]: sets asked_status.
checkpoint_with_fault()
{
    local victim=$1 client

    shift
    bivouac checkpoint "$job_id" "$@" >>"$checkpoint_log" 2>&1 &
    client=$!
    asked_status=0
    # The shell would tell of what is killed.
    {
        fault_kill "$victim" || :
        wait_for is_gone "$client" || problem "the request hangs"
        wait "$client" || asked_status=$?
    } 2>/dev/null
    must "the request ended with status $asked_status" one_of "$asked_status" 0 103 106 116 119
}

# A job that is left must go on; then its supervisor dies, so that the checkpoint is needed.
go_on_and_crash()
{
    steps_open 30
    wait_for steps_are_or_ended 30 || problem "the job does not go on"
    if job_runs; then
        steps_crash
    else
        steps_end
        must "the attempt ended with status $job_status" one_of "$job_status" 106
        diag "$1: the job did not survive: $(tail -n 1 "$dir.err")"
    fi
}

# after_fault POINT VICTIM [--kill]: the end of the attempt.
after_fault()
{
    local point=$1 victim=$2

    case $victim in
    supervisor)
        steps_end
        must "the killed supervisor ended with status $job_status" one_of "$job_status" 137
        ;;
    init)
        steps_end
        must "the attempt ended with status $job_status" one_of "$job_status" 85 106
        ;;
    *)
        if [[ ${3:-} == --kill && $asked_status == 0 ]]; then
            steps_end
            must "the attempt ended with status $job_status" one_of "$job_status" 85
        else
            go_on_and_crash "$point, $victim"
        fi
        ;;
    esac
    wait_for no_strangers || problem "processes outlive the supervisor: $(strangers | tr '\n' ';')"
}

# Whoever was told that there is a checkpoint has one, and the other way round.
expected_generation()
{
    if [[ $2 == supervisor ]]; then
        [[ $1 == checkpoint-committed ]] && printf '2\n' || printf '1\n'
    else
        ((asked_status == 0)) && printf '2\n' || printf '1\n'
    fi
}

# checkpoint_case POINT VICTIM [--kill]
checkpoint_case()
{
    local generation

    begin_case "$1" "$2"
    checkpoint_with_fault "${@:2}"
    after_fault "$@"
    generation=$(newest_generation)
    must "the newest generation is $generation" test "$generation" = "$(expected_generation "$1" "$2")"
    steps_finish "$generation"
    conclude "$1${3:+ $3}: SIGKILL of the $2"
}

# checkpoint_cases [--kill]
checkpoint_cases()
{
    local point victim victims

    while read -r point victims; do
        [[ -n $point ]] || continue
        [[ -n ${1:-} ]] && victims=${victims/|/} || victims=${victims%%|*}
        for victim in $victims; do
            # After a checkpoint that ends the job nobody resumes.
            [[ $point$* != checkpoint-resumed--kill ]] || continue
            checkpoint_case "$point" "$victim" "$@"
        done
    done <<<"$points"
    ok "every point of a checkpoint has its cases" every_point_is_listed checkpoint
}

# every_point_is_listed PREFIX: the points above are those in the code.
every_point_is_listed()
{
    diff <(sed -n "s/^    \"\($1-[a-z-]*\)\".*/\1/p" /src/src/base/fault.c | sort) \
        <(awk 'NF { print $1 }' <<<"$points" | sort)
}
