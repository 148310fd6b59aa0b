# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the fault tests share: a job whose every step a test decides, a process that is killed at a
# named point, and what must be true afterwards.
#
# The job (src/steps.c) writes ten lines and then waits for a "gate", a file that the test makes.

# shellcheck source=tests/lib/cycle.sh
. /src/tests/lib/cycle.sh
# shellcheck source=tests/fault/lib/faults.sh
. /src/tests/fault/lib/faults.sh

work=$(scratch)
# There the engine can cache what it knows of the kernel: it does so on a tmpfs only.
export BIVOUAC_STORE=$work/store BIVOUAC_RUNTIME_DIR=/run/user/$UID/bivouac
steps_total=50
steps_status=7
steps_memory=0
steps_command=("$apps/steps")

# What an uninterrupted run leaves behind.
steps_reference()
{
    local status=0

    mkdir "$work/ref" "$work/ref.gates"
    touch "$work/ref.gates"/{0,10,20,30,40}
    (cd "$work/ref" && exec "${steps_command[@]}" "$work/ref.gates" "$steps_total" "$steps_status" "$steps_memory") \
        </dev/null >"$work/ref.out" || status=$?
    require test "$status" = "$steps_status"
}

# --- the job --------------------------------------------------------------------------------

# Where everything of job ID lies.
steps_names()
{
    job_id=$1
    dir=$work/$1
    gates=$dir.gates
    faults=$dir.faults
    checkpoint_log=$dir.checkpoint
    problems=()
}

# steps_new ID: a fresh job; its directory is $dir.
steps_new()
{
    steps_names "$1"
    mkdir "$dir" "$gates" "$faults"
    : >"$dir.err"
}

# steps_start [ARGUMENT…]: its standard output is a pipe for one job and a file for the next.
steps_start()
{
    if ((case_number % 2)); then
        job_start "$dir" "$job_id" "$@" -- "${steps_command[@]}" "$gates" "$steps_total" "$steps_status" "$steps_memory"
        reader_pid=
        return
    fi
    rm -f "$dir.fifo"
    mkfifo "$dir.fifo"
    cat <"$dir.fifo" >>"$dir.out" &
    reader_pid=$!
    (cd "$dir" && exec env --default-signal bivouac run --job "$job_id" "$@" \
        -- "${steps_command[@]}" "$gates" "$steps_total" "$steps_status" "$steps_memory") \
        </dev/null >"$dir.fifo" 2>>"$dir.err" &
    job_pid=$!
}
case_number=0
reader_pid=

# steps_reach N [FILE]: opens the gates before N, and waits until the job has done N steps.
steps_reach()
{
    steps_open "$1"
    wait_for steps_are "$1"
}

steps_open()
{
    local gate

    for ((gate = 0; gate < $1; gate += 10)); do
        : >"$gates/$gate"
    done
}

steps_are()
{
    (($(wc -l <"$dir/log.txt") == $1))
}

# The job has done N steps, or its supervisor has ended.
steps_are_or_ended()
{
    steps_are "$1" || ! job_runs
}

# steps_end: waits for the end of an attempt; sets job_status.
steps_end()
{
    job_wait
    [[ -z $reader_pid ]] || wait "$reader_pid" || :
    reader_pid=
}

steps_crash()
{
    # The shell would tell of it.
    { kill -KILL "$job_pid" && steps_end; } 2>/dev/null
    wait_for no_strangers || problem "processes outlive their supervisor: $(strangers | tr '\n' ';')"
}

# steps_two_generations ID [ARGUMENT…]: a job with two checkpoints, after ten and twenty steps, which has gone
# on to thirty and died.
steps_two_generations()
{
    steps_new "$1"
    steps_start "${@:2}"
    require steps_reach 10
    require job_checkpoint
    require steps_reach 20
    require job_checkpoint
    require steps_reach 30
    steps_crash
}

# steps_attempt [ARGUMENT…]: one attempt in the foreground, for one that cannot succeed; sets
# job_status, and "said" to what it says on standard error.
steps_attempt()
{
    steps_start "$@"
    steps_end
    # shellcheck disable=SC2034
    said=$(cat "$dir.err")
    mv "$dir.err" "$dir.err.before"
}

# The number of the newest committed generation, 0 without one.
newest_generation()
{
    local newest

    newest=$(cd "$BIVOUAC_STORE/jobs/$job_id" && printf '%s\n' [0-9][0-9][0-9][0-9][0-9][0-9] | tail -n 1)
    [[ $newest != \[* ]] || newest=0
    printf '%d\n' "$((10#$newest))"
}

# --- the verdict --------------------------------------------------------------------------

# steps_identical NAME: the job that is ended is as if nothing had happened; one test.
steps_identical()
{
    problems=()
    steps_compare
    conclude "$1"
}

# The verdict of a case.
conclude()
{
    local text

    if ((${#problems[@]} == 0)); then
        pass "$1"
        rm -rf "$dir" "$dir".* "$BIVOUAC_STORE/jobs/$job_id"
        return
    fi
    not_ok "$1" "$dir.err" "$dir.checkpoint"
    for text in "${problems[@]}"; do
        diag "problem: $text"
    done
    tail -n 12 "$BIVOUAC_STORE/jobs/$job_id/events.jsonl" 2>&1 | diag
}

# Nothing that is not the job's result, or Bivouac's on purpose, may stay.
leftovers()
{
    find "$BIVOUAC_STORE" "$dir" "$BIVOUAC_RUNTIME_DIR" /dev/shm -name 'criu-*' -prune -o \
        \( -name '.staging*' -o -name '.0*' -o -name '.deleted*' -o -name '*.tmp*' -o -name 'link_remap.*' \
        -o -name '*.sock' \) -print
}

# steps_finish GENERATION: run it again, to its end: it must go on from GENERATION, and everything
# must be as if nothing had happened.
steps_finish()
{
    local from=$1 left

    steps_open "$steps_total"
    [[ ! -e $dir.err ]] || mv "$dir.err" "$dir.err.before"
    steps_start
    steps_end
    must "it did not go on from generation $from: $(tail -n 3 "$dir.err")" \
        grep -q "^bivouac: .*job $job_id goes on from checkpoint $from\>" "$dir.err"
    steps_compare
    left=$(leftovers)
    [[ -z $left ]] || problem "left behind: ${left//$'\n'/; }"
}

# The end is that of an uninterrupted run.
steps_compare()
{
    ((job_status == steps_status)) || problem "the job ended with status $job_status"
    must "its files are not those of an uninterrupted run: $(diff -r "$work/ref" "$dir")" diff -r "$work/ref" "$dir"
    must "its output is not that of an uninterrupted run: $(diff "$work/ref.out" "$dir.out")" \
        cmp -s "$work/ref.out" "$dir.out"
    wait_for no_strangers || problem "processes are left: $(strangers | tr '\n' ';')"
}
