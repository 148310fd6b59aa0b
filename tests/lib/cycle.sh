# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Programs as jobs: run, checkpoint, kill, crash, run again, and compare with an uninterrupted run.
#
#   . /src/tests/lib/cycle.sh
#   cycle_app writer -- "$apps/writer"
#   finish
#
# The moments are random; SEED=N repeats them. They are chosen within the duration of the bare
# run, which is measured for that purpose only: nothing is compared with a clock.

# shellcheck source=tests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

# Where the test programs and their data lie.
# shellcheck disable=SC2034
apps=/usr/local/libexec/bivouac/tests
# shellcheck disable=SC2034
data=$(cd "$(dirname "${BASH_SOURCE[0]}")/../apps/data" && pwd)

SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
RANDOM=$SEED
diag "SEED=$SEED"

# work_in DIR: what this test makes lies in DIR, its store too. Sets work and checkpoint_log.
work_in()
{
    work=${1:?there is no directory}
    checkpoint_log=$work/checkpoint.log
    export BIVOUAC_STORE=$work/store
}

# --- one job --------------------------------------------------------------------------------

# job_start DIR ID [ARGUMENT…]: bivouac run in the background, in DIR, with its output appended
# to DIR.out and DIR.err. Sets job_pid and job_id.
job_start()
{
    local dir=$1

    job_id=$2
    shift 2
    # A shell ignores SIGINT in what it starts in the background; a job must not inherit that.
    (cd "$dir" && exec env --default-signal bivouac run --job "$job_id" "$@") \
        </dev/null >>"$dir.out" 2>>"$dir.err" &
    job_pid=$!
}

# Sets job_status as the shell sees it (128 + N for a death by signal N). A job that hangs is
# killed at a deadline far beyond what any of them needs.
job_wait()
{
    job_status=0
    # The shell would tell of a process that was killed.
    {
        wait_for -t "$((4 * tap_deadline))" job_is_over || kill -KILL "$job_pid" || :
        wait "$job_pid" || job_status=$?
    } 2>/dev/null
}

job_runs()
{
    kill -0 "$job_pid" 2>/dev/null
}

job_is_over()
{
    ! job_runs
}

# job_checkpoint [ARGUMENT…]: returns 0 when committed, 1 when the job has ended, 2 on an error.
# A job that is just starting, and may be making its store, is asked again.
job_checkpoint()
{
    local end=$((SECONDS + 4 * tap_deadline)) status

    while :; do
        status=0
        timeout "$((4 * tap_deadline))" bivouac checkpoint "$job_id" "$@" >>"$checkpoint_log" 2>&1 || status=$?
        ((status != 0)) || return 0
        job_runs || return 1
        case $status in
        101 | 103 | 112 | 116) ((SECONDS < end)) || break ;;
        106) # a connection that is just being made is not for long
            { tail -n 1 "$checkpoint_log" | grep -q 'In-flight connection' && ((SECONDS < end)); } || break
            ;;
        119) return 1 ;; # it has ended meanwhile
        *) break ;;
        esac
        sleep 0.05
    done
    diag "bivouac checkpoint $job_id $*: status $status"
    tail -n 5 "$checkpoint_log" | diag
    return 2
}
checkpoint_log=/dev/null

# The power cut: the supervisor dies and everything of the job must die with it.
job_crash()
{
    kill -KILL "$job_pid" 2>/dev/null || return
    job_wait
    wait_for no_strangers
}

# Processes of this user that neither belong to this test nor started it: "PID COMMAND" lines.
strangers()
{
    ps -eo pid=,ppid=,uid=,stat=,comm= | awk -v me="$$" -v uid="${1:-$(id -u)}" '
        { parent[$1] = $2; of[$1] = $3; stat[$1] = $4; name[$1] = $5 }
        function descends(pid) {
            for (; pid > 0; pid = parent[pid])
                if (pid == me)
                    return 1
            return 0
        }
        END {
            for (pid = me; pid > 0; pid = parent[pid])
                above[pid] = 1
            for (pid in of)
                if (of[pid] == uid && !above[pid] && !descends(pid))
                    print pid, name[pid], stat[pid]
        }'
}

no_strangers()
{
    [[ -z $(strangers "$@") ]]
}

# What an ended job may leave nowhere: "FILE" lines. The engine's cache of what it knows of the
# kernel (criu-host, criu-private) may stay.
stray_files()
{
    find "$1" /tmp /dev/shm "/run/user/$(id -u)" -xdev \
        \( -name 'link_remap.*' -o -name '.staging*' -o -name '.0[0-9]*' -o -name 'crtools*' \
        -o -name 'criu*' ! -path '*/bivouac*/criu-*' -o -path '*/bivouac*.tmp' \
        -o -path '*bivouac*' -type s \) 2>/dev/null | sort -u
}

no_stray_files()
{
    [[ -z $(stray_files "$1") ]]
}

# The checks for an end without remains. remains_nothing DIR
remains_nothing()
{
    if wait_for no_strangers; then
        pass "no process is left"
    else
        not_ok "no process is left"
        strangers | diag
    fi
    is "$(stray_files "$1")" "" "no temporary file is left"
}

# logs_if_failed DIR: what Bivouac and the jobs said, when a check has failed.
logs_if_failed()
{
    ((tap_failed == 0)) || cat "$1"/*.err "$checkpoint_log" | tail -n 40 | diag || :
}

# How often a job was restarted, according to its history.
restarts_of()
{
    jq -r 'select(.event == "restarted") | .event' "$BIVOUAC_STORE/jobs/$1/events.jsonl" | wc -l
}

# --- many cycles ----------------------------------------------------------------------------

# random_pause MOST: up to so many milliseconds. Not in a subshell, where RANDOM starts anew.
random_pause()
{
    local ms=$((RANDOM % ($1 + 1)))

    sleep "$((ms / 1000)).$(printf '%03d' $((ms % 1000)))"
}

now_ms()
{
    printf '%s\n' "$((${EPOCHREALTIME/[.,]/} / 1000))"
}

cycle_bare()
{
    local start

    mkdir "$cycle_work/ref"
    start=$(now_ms)
    cycle_bare_status=0
    (cd "$cycle_work/ref" && "$cycle_setup" && exec "${cycle_command[@]}") \
        </dev/null >"$cycle_work/ref.out" 2>"$cycle_work/ref.err" || cycle_bare_status=$?
    cycle_duration=$(($(now_ms) - start))
    diag "the bare run took $cycle_duration ms and ended with status $cycle_bare_status"
}

cycle_start()
{
    job_start "$cycle_work/job" "$cycle_name" "${cycle_run_args[@]}" -- "${cycle_command[@]}"
}

# What to say when the supervisor ended by itself: 1 when the job simply was at its end.
cycle_ended()
{
    job_wait
    ((job_status == cycle_bare_status)) && return 1
    diag "cycle $1: bivouac run ended with status $job_status"
    return 2
}

# One interruption, either way. Returns 0, 1 when the job was already at its end, 2 on an error.
cycle_interrupt()
{
    local number=$1 way=$2 most=$3 status=0

    random_pause "$most"
    if [[ $way == kill ]]; then
        job_checkpoint --kill || status=$?
    else
        job_checkpoint || status=$?
    fi
    case $status in
    0) ;;
    1) cycle_ended "$number"; return ;;
    *) return 2 ;;
    esac
    if [[ $way == kill ]]; then
        job_wait
        ((job_status == 85)) && return
        diag "cycle $number: after checkpoint --kill bivouac run ended with status $job_status"
        return 2
    fi
    random_pause $((most / 2))
    if ! job_crash; then
        job_runs || { cycle_ended "$number"; return; }
        diag "cycle $number: processes outlive their supervisor: $(strangers | tr '\n' ';')"
        return 2
    fi
}

# The whole life of the job. Returns as cycle_interrupt does; percent says how early.
cycle_history()
{
    local cycles=$1 percent=$2 most number status first=$((RANDOM % 2))
    local -a ways=(kill crash)

    rm -rf "$cycle_work/job" "$cycle_work/job.out" "$cycle_work/job.err" "$BIVOUAC_STORE"
    mkdir "$cycle_work/job"
    (cd "$cycle_work/job" && "$cycle_setup")
    most=$((cycle_duration * percent / 100 / (cycles + 1)))
    cycle_start
    for ((number = 1; number <= cycles; number++)); do
        status=0
        cycle_interrupt "$number" "${ways[(first + number) % 2]}" "$most" || status=$?
        ((status == 0)) || return "$status"
        cycle_start
    done
    job_wait
}

# The end came before the last moment: the choice was bad, not the job. Choose earlier ones.
cycle_histories()
{
    local cycles=$1 percent status

    for percent in 80 40 15; do
        status=0
        cycle_history "$cycles" "$percent" || status=$?
        ((status == 1)) || return "$status"
        diag "the job ended before $cycles cycles were over; again, with earlier moments"
    done
    return 1
}

# Every file: type, mode, size and content.
compare_dirs()
{
    local dir

    for dir in ref job; do
        (cd "$cycle_work/$dir" && find . \( -type f -printf '%P %y %m %s\n' \) -o -printf '%P %y %m\n' | sort) \
            >"$cycle_work/$dir.list"
    done
    diff -u "$cycle_work/ref.list" "$cycle_work/job.list" && diff -r "$cycle_work/ref" "$cycle_work/job"
}

cycle_compare()
{
    is "$job_status" "$cycle_bare_status" "$cycle_name: the exit status is the same"
    "$cycle_filter" <"$cycle_work/ref.out" >"$cycle_work/ref.out.steady"
    "$cycle_filter" <"$cycle_work/job.out" >"$cycle_work/job.out.steady"
    same_file "$cycle_work/job.out.steady" "$cycle_work/ref.out.steady" "$cycle_name: standard output is the same"
    grep -av '^bivouac: ' "$cycle_work/job.err" >"$cycle_work/job.err.own" || :
    same_file "$cycle_work/job.err.own" "$cycle_work/ref.err" "$cycle_name: standard error is the same"
    ok "$cycle_name: the files are the same" "$cycle_compare"
    is "$(restarts_of "$cycle_name")" "$1" "$cycle_name: it was restarted $1 times"
    remains_nothing "$cycle_work"
}

cycle_logs()
{
    local file

    for file in "$cycle_work/job.err" "$checkpoint_log"; do
        diag "--- $file"
        tail -n 25 "$file" 2>&1 | diag
    done
}

# cycle_app NAME [OPTION…] -- CMD…
#   --cycles N      interruptions, 3 unless told: checkpoint --kill and checkpoint + crash in turn
#   --run-args "…"  for bivouac run
#   --setup FUNC    called in the fresh working directory of each run
#   --filter FUNC   what of standard output must be the same (default: all)
#   --compare FUNC  compares $cycle_work/ref and $cycle_work/job (default: compare_dirs)
cycle_app()
{
    local cycles=3 status=0 failed_before=$tap_failed

    cycle_name=$1 cycle_run_args=() cycle_setup=: cycle_filter=cat cycle_compare=compare_dirs
    shift
    while [[ $1 != -- ]]; do
        case $1 in
        --cycles) cycles=$2 ;;
        --run-args) read -r -a cycle_run_args <<<"$2" ;;
        --setup) cycle_setup=$2 ;;
        --filter) cycle_filter=$2 ;;
        --compare) cycle_compare=$2 ;;
        *) diag "cycle_app: no option $1"; exit 2 ;;
        esac
        shift 2
    done
    shift
    cycle_command=("$@")
    # Not below /tmp, of which a job may have its own.
    cycle_work=$(TMPDIR=$HOME scratch)
    checkpoint_log=$cycle_work/checkpoint.log
    export BIVOUAC_STORE=$cycle_work/store

    cycle_bare
    cycle_histories "$cycles" || status=$?
    if ((status == 0)); then
        pass "$cycle_name: $cycles cycles of checkpoint, end and restart"
        cycle_compare "$cycles"
    else
        not_ok "$cycle_name: $cycles cycles of checkpoint, end and restart"
        ! job_runs || job_crash || :
    fi
    ((tap_failed == failed_before)) || cycle_logs
}
