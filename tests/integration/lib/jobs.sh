# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the integration tests share: a scratch directory to work in, a store in it, and jobs that
# wait to be let go.
#
#   . /src/tests/integration/lib/jobs.sh
#   hold one --network private
#   ok "it is checkpointed" bv checkpoint one --kill
#   job_wait
#   let_go one

# shellcheck source=tests/lib/cycle.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/cycle.sh"

# Not below /tmp, of which a job may have its own.
work=$(TMPDIR=$HOME scratch)
# shellcheck disable=SC2034
checkpoint_log=$work/checkpoint.log
: >"$checkpoint_log"
export BIVOUAC_STORE=$work/store
cd "$work" || exit

# bv COMMAND…: bivouac, ended when it hangs, so that one command cannot take the whole test with it.
bv()
{
    timeout --foreground "$((4 * tap_deadline))" bivouac "$@"
}

# The commands that "bivouac --help" lists, one a line.
commands_of_help()
{
    bivouac --help | sed -n 's/^  \([a-z]\{3,\}\)  .*/\1/p'
}

# run_job ID [OPTION…] -- CMD…
run_job()
{
    bv run --job "$@"
}

# status_of CMD…: prints the exit status; the output of CMD goes to the files "out" and "err".
status_of()
{
    local status=0

    "$@" >"$work/out" 2>"$work/err" || status=$?
    printf '%s\n' "$status"
}

# hold ID [OPTION…]: a job in the background, in the directory ID, that says "ready", waits to be
# let go, says "done" and ends with status 5.
hold()
{
    local id=$1

    shift
    start_job "$id" "$@" -- sh -c 'echo ready; until test -e go; do sleep 0.05; done; echo done; exit 5'
    require wait_for says "$id" ready
}

# start_job ID [OPTION…] -- CMD…: in the directory ID, with its output in ID.out and ID.err.
start_job()
{
    mkdir -p "$work/$1"
    job_start "$work/$1" "$@"
}

# says ID LINE
says()
{
    grep -qx -- "$2" "$work/$1.out"
}

let_go()
{
    touch "$work/$1/go"
}

# finish_job ID: lets it go and waits. Sets job_status.
finish_job()
{
    let_go "$1"
    job_wait
}

# state_of ID: as "bivouac list" has it.
state_of()
{
    bv list --json | jq -r --arg id "$1" '.jobs[] | select(.job == $id) | .state'
}

is_state()
{
    [[ $(state_of "$1") == "$2" ]]
}

# generations_of ID: "3 4"
generations_of()
{
    bv show "$1" --json | jq -r '[.generations[].generation] | join(" ")'
}

# keys_of FILTER <JSON: the keys of an object, sorted.
keys_of()
{
    jq -r "$1 | keys | join(\" \")"
}

# The end of every test here: nothing of the jobs is left, and why, if something failed.
finish_jobs()
{
    remains_nothing "$work"
    logs_if_failed "$work"
    finish
}
