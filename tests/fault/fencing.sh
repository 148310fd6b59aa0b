#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# Two hosts and one store. The first is paused with everything on it; when its lease has run out
# the second takes the job over. The first wakes up: it finds itself fenced, stops its job and
# commits nothing.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
cd /
. /src/tests/fault/lib/steps.sh

# All hosts see the home directory; each has a runtime directory of its own.
work=/home/alice/shared
export BIVOUAC_STORE=$work/store
case_number=1

# --- what runs on a host, as alice ----------------------------------------------------------

# first_host POINT: the job, and where there is a POINT a checkpoint that has got there.
first_host()
{
    fault_at "$1"
    fault_disarm
    steps_start --lease 3s
    fault_none
    steps_reach 10
    job_checkpoint
    steps_reach 20
    [[ $1 != none ]] || return 0
    fault_arm
    bivouac checkpoint "$job_id" >"$dir.asked" 2>&1 &
    wait_for fault_reached
}

taken_over()
{
    ! job_runs || grep -q 'goes on from checkpoint' "$dir.err"
}

# Refused as long as the lease of the first host lasts.
second_host()
{
    local refusals=0

    while :; do
        steps_start --lease 3s
        wait_for taken_over
        ! job_runs || break
        steps_end
        [[ $job_status == 112 ]] || break
        refusals=$((refusals + 1))
        cp "$dir.err" "$dir.refused"
        sleep 0.2
    done
    printf '%d\n' "$refusals" >"$dir.refusals"
    wait_for steps_are 20
}

# leg first|second JOB POINT
leg()
{
    steps_names "$2"
    "${1}_host" "$3"
    : >"$dir.$1.ready"
    steps_end
    printf '%d\n' "$job_status" >"$dir.$1.status"
}

if [[ ${1:-} == --leg ]]; then
    shift
    leg "$@" >&2
    exit
fi

# --- outside --------------------------------------------------------------------------------

# host NAME ARGUMENT…: in the background; sets host_pid.
host()
{
    /src/testbed/host "$1" --user alice -- "$0" --leg "$@" >>"$dir.log" 2>&1 &
    host_pid=$!
}

# Every process of a host, by the pid of what started it.
processes_of()
{
    ps -eo pid=,ppid= | awk -v root="$1" '
        { parent[$1] = $2 }
        END {
            for (pid in parent) {
                for (p = pid; p > 1 && p != root; p = parent[p])
                    ;
                if (p == root && pid != root)
                    print pid
            }
        }'
}

# fenced_at POINT
fenced_at()
{
    local point=$1 first paused

    steps_names "at-$point"
    as_user alice mkdir "$dir" "$gates" "$faults"
    host first "$job_id" "$point"
    first=$host_pid
    if ! wait_for test -e "$dir.first.ready"; then
        not_ok "$point: the first host is ready" "$dir.log" "$dir.err"
        return
    fi
    mapfile -t paused < <(processes_of "$first")
    kill -STOP "${paused[@]}"
    : >"$faults/continue"
    host second "$job_id" "$point"
    ok "$point: the second host takes over" wait_for test -e "$dir.second.ready"
    ok "$point: it had to wait for the lease" test "$(cat "$dir.refusals")" -gt 0
    like "$(cat "$dir.err")" "goes on from checkpoint 1" "$point: it goes on from the checkpoint before"
    like "$(cat "$dir.refused")" "process [0-9]+ on host first.* lease" "$point: while refused it is told who has the job"

    kill -CONT "${paused[@]}"
    wait_for test -s "$dir.first.status" || :
    is "$(cat "$dir.first.status")" 113 "$point: the first host's attempt ends with status 113"
    like "$(cat "$dir.err")" "attempt 1, process [0-9]+ on host second, has taken over" "$point: and says who has the job"
    is "$(newest_generation)" 1 "$point: it has committed nothing"
    wait "$first" || :
    is "$(wc -l <"$dir/log.txt")" 20 "$point: it has written nothing"
    ok "$point: its end is in the history" grep -q '"event":"fenced"' "$BIVOUAC_STORE/jobs/$job_id/events.jsonl"
    [[ $point == none ]] || isnt "$(cat "$dir.asked")" "" "$point: its request for a checkpoint was refused"

    steps_open 50
    wait_for test -s "$dir.second.status" || :
    job_status=$(cat "$dir.second.status")
    wait "$host_pid" || :
    steps_compare
    is "${problems[*]}" "" "$point: on the second host the job ends as if nothing had happened"
    is "$(find "$BIVOUAC_STORE/jobs/$job_id" -name '.0*' -o -name '.staging*')" "" "$point: nothing is left in the store"
}

as_user alice mkdir "$work"
steps_reference
for point in none checkpoint-captured checkpoint-manifest checkpoint-commit; do
    fenced_at "$point"
done
finish
