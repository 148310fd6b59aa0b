# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests with a real Slurm share: a cluster, users who submit, and waiting with a deadline.
#
#   # testbed: root alone net
#   . /src/tests/sched/slurm/lib/cluster.sh
#   cluster_up --nodes 2
#   job=$(submit alice --time 1 script)
#   require wait_state "$job" RUNNING
#   finish
#
# A test runs as root, on the login node, which also has the controller.

# shellcheck source=tests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../lib/tap.sh"
# shellcheck source=tests/sched/lib/jobs.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/jobs.sh"

# Slurm looks for passed limits twice a minute, and a requeued job waits: its waits are long ones.
slurm_deadline=$((150 * ${TEST_TIME_FACTOR:-1}))

# cluster_up [OPTION…]: of testbed/slurm.
cluster_up()
{
    require /src/testbed/slurm up "$@"
}

# plugin [ARGUMENT…]: the SPANK plugin, with what the site says to it. Before cluster_up: slurmd reads it once.
plugin()
{
    local file

    file=$(find /usr/local -path '*/slurm/spank_bivouac.so')
    require test -n "$file"
    printf 'required %s %s\n' "$file" "$*" >/etc/slurm/plugstack.conf
}

# submit USER [OPTION…] SCRIPT: prints the job's number. Its output is in NAME.out, NAME of --job-name.
submit()
{
    local user=$1

    shift
    on "$user" sbatch --parsable --output=%x.out "$@"
}

# field JOB NAME: of scontrol show job.
field()
{
    scontrol -o show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p" | head -n 1
}

state_is()
{
    [[ $(field "$1" JobState) =~ ^($2)$ ]]
}

# wait_state JOB STATE|STATE…
wait_state()
{
    wait_for -t "$slurm_deadline" state_is "$1" "$2" && return
    scontrol -o show job "$1" | diag
    return 1
}

# wait_end JOB: until Slurm has done with it.
wait_end()
{
    wait_state "$1" 'COMPLETED|FAILED|TIMEOUT|CANCELLED|NODE_FAIL|PREEMPTED|OUT_OF_MEMORY'
}

field_is()
{
    [[ $(field "$1" "$2") == "$3" ]]
}

# node_of JOB
node_of()
{
    field "$1" NodeList
}

# pid_on NODE: process 1 of that host.
pid_on()
{
    local unshare

    for unshare in $(pgrep -P "$(</var/spool/slurm-testbed/"$1".pid)" -x unshare); do
        pgrep -P "$unshare"
    done
}

# at NODE USER CMD…: runs CMD there, outside of Slurm.
at()
{
    local node=$1 user=$2 home

    shift 2
    home=$(getent passwd "$user" | cut -d: -f6)
    nsenter --target "$(pid_on "$node")" --mount --pid --uts --ipc --net --wdns="$home" -- \
        setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups -- \
        env -i HOME="$home" USER="$user" LOGNAME="$user" PATH="$PATH" "$@"
}

# processes_of USER NODE: "PID COMMAND" lines of what runs there.
processes_of()
{
    at "$2" root ps -o pid=,comm= -u "$1" || :
}

no_process_of()
{
    [[ -z $(processes_of "$1" "$2") ]]
}

# The end of every test here: what the daemons said, when something failed.
finish_cluster()
{
    local file

    if ((tap_failed > 0)); then
        for file in /home/alice/*.out /var/log/slurm/slurmctld.log /var/log/slurm/slurmd.*.log; do
            diag "--- $file"
            { tail -n 30 "$file" 2>&1 || :; } | diag
        done
    fi
    finish
}
