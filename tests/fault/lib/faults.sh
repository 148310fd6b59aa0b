# shellcheck shell=bash disable=SC2154 # what the caller sets
# SPDX-License-Identifier: Apache-2.0
# A process that is stopped at a named point (src/base/fault.h), and killed there; and what is wrong afterwards. The
# caller sets "faults", a directory, and "job_pid", the supervisor.

# --- problems: a case has many conditions and is one test -----------------------------------

problem()
{
    problems+=("$*")
}

# must TEXT CMD…: a problem unless CMD succeeds.
must()
{
    local text=$1

    shift
    "$@" >/dev/null || problem "$text"
}

# one_of STATUS ALLOWED…
one_of()
{
    [[ " ${*:2} " == *" $1 "* ]]
}

# --- faults ---------------------------------------------------------------------------------

# fault_at POINT: what is started from now on stops there, while the fault is armed.
fault_at()
{
    export BIVOUAC_FAULT_POINT=$1 BIVOUAC_FAULT_DIR=$faults
}

fault_arm()
{
    rm -f "$faults/reached" "$faults/continue"
}

fault_disarm()
{
    : >"$faults/continue"
}

fault_none()
{
    unset BIVOUAC_FAULT_POINT BIVOUAC_FAULT_DIR
}

fault_reached()
{
    [[ -s $faults/reached ]]
}

# Pid of a part of Bivouac: supervisor, init, operation, criu, writer or verifier.
pid_of()
{
    local init

    case $1 in
    supervisor) printf '%s\n' "$job_pid" ;;
    init) pgrep -P "$job_pid" -x bivouac-init ;;
    writer) pgrep -P "$job_pid" -x bivouac-writer ;;
    verifier) pgrep -P "$job_pid" -x bivouac-verify ;;
    operation)
        init=$(pid_of init) || return
        pgrep -P "$init" -x bivouac-init
        ;;
    criu)
        init=$(pid_of operation) || return
        pgrep -P "$init" -x criu
        ;;
    esac
}

has_died()
{
    local state

    state=$(ps -o state= -p "$1") || return 0
    [[ $state == Z ]]
}

# kill_dead PID: "kill" comes back before the process has died, and those who are to die with it would go on meanwhile.
kill_dead()
{
    kill -KILL "$1" && wait_for has_died "$1"
}

# fault_kill VICTIM: when the point is reached, and lets go what waits there.
fault_kill()
{
    local pid

    if ! wait_for fault_reached; then
        problem "the point was not reached"
        fault_disarm
        return 1
    fi
    if pid=$(pid_of "$1"); then
        kill_dead "$pid" || problem "$1 does not die"
    else
        problem "there is no $1 at this point: $(ps -e -o pid,ppid,comm | tr '\n' ';')"
    fi
    fault_disarm
}
