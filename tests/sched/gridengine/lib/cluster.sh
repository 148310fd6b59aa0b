# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests with a real Grid Engine share.
#
#   # testbed: root net
#   . /src/tests/sched/gridengine/lib/cluster.sh
#   cluster_up
#   job=$(submit alice name -ckpt bivouac script)
#   require wait_for has_tick "$(output alice name)" 50
#   finish_cluster
#
# A test runs as root, a manager of Grid Engine.

# shellcheck source=tests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../lib/tap.sh"
# shellcheck source=tests/sched/lib/jobs.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/jobs.sh"

export SGE_ROOT=/var/lib/gridengine SGE_CELL=default
# shellcheck disable=SC2034
user_environment=("SGE_ROOT=$SGE_ROOT")
gridengine_deadline=$((90 * ${TEST_TIME_FACTOR:-1}))

# gridengine_up [OPTION…]: of testbed/gridengine.
gridengine_up()
{
    require /src/testbed/gridengine up "$@" >/dev/null
}

# cluster_up [OPTION…]: with the checkpointing environment.
cluster_up()
{
    gridengine_up "$@"
    require bivouac gridengine install-ckpt >/dev/null
}

# script NAME: a batch script for all users, from standard input.
script()
{
    install -D -m 755 /dev/stdin "/srv/scripts/$1"
}

# submit USER NAME [OPTION…] SCRIPT [ARGUMENT…]: prints the job's number.
submit()
{
    local user=$1 name=$2

    shift 2
    on "$user" qsub -terse -cwd -j y -N "$name" -o "$name.out" "$@" | sed 's/\..*//'
}

# output USER NAME
output()
{
    printf '%s/%s.out\n' "$(home_of "$1")" "$2"
}

# state JOB [TASK]: as qstat has it; nothing when the job is over.
state()
{
    qstat -u '*' | awk -v job="$1" -v task="${2:-}" '$1 == job && (task == "" || $NF == task) { print $5 }'
}

# state_is JOB PATTERN [TASK]
state_is()
{
    [[ $(state "$1" "${3:-}") =~ ^($2)$ ]]
}

is_over()
{
    [[ -z $(state "$@") ]]
}

is_held()
{
    [[ $(state "$1") == *E* ]]
}

# clear_error JOB: qmod's own status says nothing.
clear_error()
{
    qmod -cj "$1" || :
    ! is_held "$1"
}

# runs JOB [TASK]: one line for each run of the job, "FAILED EXIT_STATUS".
runs()
{
    qacct -j "$1" ${2:+-t "$2"} 2>/dev/null |
        awk '$1 == "failed" { failed = $2 } $1 == "exit_status" { print failed, $2 }'
}

has_runs()
{
    (($(runs "$1" "${3:-}" | wc -l) >= $2))
}

# ends_with JOB RUNS STATUS NAME [TASK]: it ends with its run number RUNS, and with this exit status.
ends_with()
{
    if ! wait_for -t "$gridengine_deadline" is_over "$1" "${5:-}"; then
        not_ok "$4"
        qstat -u '*' | diag
        qstat -j "$1" 2>&1 | grep -E '^error|^scheduling|sge_' | diag
        return
    fi
    wait_for has_runs "$1" "$2" "${5:-}" || :
    is "$(runs "$1" "${5:-}" | wc -l) runs, $(runs "$1" "${5:-}" | tail -n 1)" "$2 runs, 0 $3" "$4"
}

goes_on()
{
    grep -q "goes on from checkpoint" "$1"
}

# wait_restart FILE: until the job whose output this is has been continued.
wait_restart()
{
    wait_for -t "$gridengine_deadline" goes_on "$1"
}

no_process_of()
{
    [[ -z $(ps -o pid= -u "$1") ]]
}

# The end of every test here: what the daemons said, when something failed.
finish_cluster()
{
    local file

    if ((tap_failed > 0)); then
        qstat -u '*' | diag
        for file in /home/*/*.out /var/spool/gridengine/qmaster/messages /var/spool/gridengine/execd/*/messages; do
            diag "--- $file"
            { tail -n 15 "$file" 2>&1 || :; } | diag
        done
    fi
    finish
}
