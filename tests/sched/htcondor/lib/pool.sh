# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests with a real HTCondor share: a pool, users who submit, and waiting with a deadline.
#
#   # testbed: root net
#   . /src/tests/sched/htcondor/lib/pool.sh
#   pool_up
#   submit alice tick <<<"executable = $apps/until ..."
#   require wait_event tick 001
#   finish
#
# A job has a name: the directory in its user's home where it is submitted, and where its output comes. It is followed by its
# log, in which HTCondor writes an event for whatever becomes of it: 001 started, 004 evicted, 005 ended, 009 removed, 012 held,
# 013 released, 022 and 024 connection lost.

# shellcheck source=tests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../lib/tap.sh"
# shellcheck source=tests/lib/users.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../lib/users.sh"

# shellcheck disable=SC2034
apps=/usr/local/libexec/bivouac/tests
spool=/var/spool/condor
execute=/var/lib/condor/execute
# An eviction, a negotiation and a transfer, on a machine that does much else.
condor_deadline=$((60 * ${TEST_TIME_FACTOR:-1}))

declare -A pool_user=() pool_number=()

# pool_up [OPTION…]: of testbed/condor.
pool_up()
{
    trap at_exit EXIT
    require /src/testbed/condor up "$@"
}

# dir_of NAME: where the job was submitted.
dir_of()
{
    printf '%s/%s\n' "$(home_of "${pool_user[$1]}")" "$1"
}

# submit USER NAME: a job, described by standard input without its output, error, log and queue.
submit()
{
    local user=$1 name=$2

    pool_user[$name]=$user
    require on "$user" mkdir "$name"
    {
        printf '%s\n' 'output = out' 'error = err' 'log = log' 'request_memory = 200'
        cat
        printf 'queue\n'
    } | on "$user" sh -c "cat >'$name/job.sub'"
    pool_number[$name]=$(on "$user" sh -c "cd '$name' && condor_submit -terse job.sub" | sed 's/ .*//')
    require test -n "${pool_number[$name]}"
}

# submit_until USER NAME [STATUS [MIB]]: a job of the program "until", with more lines of its description as standard input.
submit_until()
{
    local user=$1 name=$2 status=${3:-7} mib=${4:-0}

    submit "$user" "$name" < <(
        printf '%s\n' "executable = $apps/until" "arguments = $(home_of "$user")/$name/gate $status $mib"
        cat
    )
}

# gate NAME end|watch: tells the program "until"; shut takes that back.
gate()
{
    on "${pool_user[$1]}" touch "$1/gate.$2"
}

shut()
{
    on "${pool_user[$1]}" rm "$1/gate.$2"
}

# condor VERB NAME [OPTION…]: condor_VERB of the job, as its user.
condor()
{
    local verb=$1 name=$2

    shift 2
    on "${pool_user[$name]}" "condor_$verb" "$@" "${pool_number[$name]}" >/dev/null
}

# --- the job's log ----------------------------------------------------------------------------------------------------

# events NAME EVENT: how many.
events()
{
    grep -c "^$2 " "$(dir_of "$1")/log" || :
}

has_event()
{
    (($(events "$1" "$2") >= ${3:-1}))
}

# wait_event NAME EVENT [COUNT]
wait_event()
{
    wait_for -t "$condor_deadline" has_event "$@" && return
    tail -n 30 "$(dir_of "$1")/log" | diag
    return 1
}

# How it ended: "exit N" or "signal N".
ending_of()
{
    sed -nE 's/.*Normal termination \(return value ([0-9]+)\).*/exit \1/p; s/.*Abnormal termination \(signal ([0-9]+)\).*/signal \1/p' \
        "$(dir_of "$1")/log" | tail -n 1
}

# The sandboxes that it had, one a line, the last one at the end.
sandboxes_of()
{
    grep -o "$execute/dir_[0-9]*" "$(dir_of "$1")/log" | awk '!seen[$0]++'
}

sandbox_of()
{
    sandboxes_of "$1" | tail -n 1
}

# A sandbox is called by the pid of its starter.
starter_of()
{
    local sandbox

    sandbox=$(sandbox_of "$1")
    printf '%s\n' "${sandbox##*_}"
}

no_sandbox()
{
    [[ ! -e $1 ]]
}

# attribute NAME ATTRIBUTE: of the job's ad, in the queue or afterwards.
attribute()
{
    local value

    value=$(condor_q "${pool_number[$1]}" -af "$2")
    [[ -n $value ]] || value=$(condor_history "${pool_number[$1]}" -limit 1 -af "$2")
    printf '%s\n' "$value"
}

attribute_is()
{
    [[ $(attribute "$1" "$2") == "$3" ]]
}

# --- its output -------------------------------------------------------------------------------------------------------

# running NAME FILE: a file of its sandbox, as it is now.
running()
{
    cat "$(sandbox_of "$1")/$2"
}

ticks()
{
    grep '^tick ' || :
}

has_tick()
{
    (($(running "$1" _condor_stdout | ticks | wc -l) >= $2))
}

# wait_tick NAME COUNT: until its standard output, in the sandbox, has so many lines.
wait_tick()
{
    wait_for -t "$condor_deadline" has_tick "$1" "$2"
}

# more_ticks NAME: until it has gone on from here.
more_ticks()
{
    wait_tick "$1" $(($(running "$1" _condor_stdout | ticks | wc -l) + 20))
}

says()
{
    running "$1" _condor_stderr | grep -q "$2"
}

# wait_says NAME TEXT: until its standard error, in the sandbox, has it.
wait_says()
{
    wait_for -t "$condor_deadline" says "$1" "$2"
}

# What the starter has sent to the access point, which keeps it for the next sandbox.
checkpoint_file()
{
    local number=${pool_number[$1]}

    printf '%s/%d/%d/cluster%d.proc%d.subproc0/_bivouac.ckpt\n' "$spool" $((${number%.*} % 10000)) $((${number#*.} % 10000)) \
        "${number%.*}" "${number#*.}"
}

# Which file that is, and of when; nothing when there is none.
checkpoint_now()
{
    stat -c '%i %Y %s' "$(checkpoint_file "$1")" 2>/dev/null || :
}

has_new_checkpoint()
{
    [[ -s $(checkpoint_file "$1") && $(checkpoint_now "$1") != "$2" ]]
}

# wait_checkpoint NAME [THAN]: until the access point has a checkpoint, another one than checkpoint_now said.
wait_checkpoint()
{
    wait_for -t "$condor_deadline" has_new_checkpoint "$1" "${2:-}"
}

# --- checks -----------------------------------------------------------------------------------------------------------

# How often the program "until" has begun from its beginning.
starts_of()
{
    wc -l <"$(dir_of "$1")/gate.starts"
}

# whole NAME STATUS: the job "until" has ended with that status, and each line of its output is there once.
whole()
{
    local name=$1 status=$2 dir last

    require wait_event "$name" 005
    dir=$(dir_of "$name")
    is "$(ending_of "$name")" "exit $status" "$name: it ends with the status of the program"
    is "$(starts_of "$name")" 1 "$name: which has begun once"
    last=$(sed -n 's/^last //p' "$dir/out" | tail -n 1)
    is "$(grep -v '^last ' "$dir/out")" "$(seq -f 'tick %.0f' 1 "${last:-0}")" "$name: each line of its output is there once"
    is "$(grep '^ten more' "$dir/err")" "$(seq -f 'ten more: %.0f' 10 10 "${last:-0}")" "$name: and each line of its errors"
}

# files_are NAME "FILE…": what the user finds afterwards, and nothing of Bivouac's.
files_are()
{
    is "$(cd "$(dir_of "$1")" && find . -mindepth 1 ! -name 'gate.*' -printf '%P\n' | sort | xargs)" "$2" \
        "$1: the user's directory has $2"
}

nothing_runs_of()
{
    ! pgrep -u "$1"
}

# What of a user lies where no job is: sandboxes, temporary files, a store.
leftovers()
{
    find "$spool" "$execute" /tmp /var/tmp /dev/shm -mindepth 1 -user "$1" 2>/dev/null
    # UCX, of programs that can do MPI, makes its own.
    find "/run/user/$(id -u "$1")" "$(home_of "$1")/.bivouac" -mindepth 1 ! -path '*/ucx*' 2>/dev/null
    return 0
}

no_leftovers()
{
    [[ -z $(leftovers "$1") ]]
}

# nothing_left USER…: when all jobs of these have ended.
nothing_left()
{
    local user

    for user; do
        ok "no process of $user is left" wait_for nothing_runs_of "$user"
        wait_for no_leftovers "$user" || :
        is "$(leftovers "$user")" "" "and no file"
    done
}

sandboxes_and_checkpoints()
{
    find "$spool" "$execute" -mindepth 1 \( -name '_bivouac*' -o -name 'dir_*' \)
}

no_sandboxes_nor_checkpoints()
{
    [[ -z $(sandboxes_and_checkpoints) ]]
}

# pool_is_empty: when all jobs have ended.
pool_is_empty()
{
    nothing_left alice bob
    wait_for no_sandboxes_nor_checkpoints || :
    is "$(sandboxes_and_checkpoints)" "" "neither a sandbox nor a checkpoint is left"
}

# What the daemons and the jobs have said, when something failed.
report_pool()
{
    local name file

    condor_q -allusers -nobatch 2>&1 | diag
    condor_q -allusers -hold 2>&1 | diag
    for name in "${!pool_user[@]}"; do
        for file in "$(dir_of "$name")"/{log,err,.job_wrapper_failure} "$(sandbox_of "$name")/_condor_stderr"; do
            [[ -e $file ]] || continue
            diag "--- $file"
            { grep -v -e "^ten more" -e "Changing job attribute" "$file" || :; } | tail -n 80 | diag
        done
    done
    for file in /var/log/condor/{StarterLog.*,ShadowLog,SchedLog}; do
        diag "--- $file"
        { tail -n 25 "$file" 2>&1 || :; } | diag
    done
}

at_exit()
{
    (($? == 0)) || report_pool
}
