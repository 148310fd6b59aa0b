#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# A TCP server and its clients inside the job; and two that always have bytes under way, which must not be lost between
# the dump of one end and that of the other.
set -euo pipefail
. /src/tests/lib/cycle.sh

# stalls FAMILY: each leg ends in the middle of a round.
stalls()
{
    local name=stall-$1 dir leg

    dir=$cycle_work/$name
    mkdir "$dir"
    seq -f 'round %g' 0 10 190 >"$dir.ref"
    for leg in 1 2 3; do
        job_start "$dir" "$name" --network private -- "$apps/stall" 200 "$1"
        wait_for lines_at_least "$dir.out" "$leg" || break
        random_pause 20
        job_checkpoint --kill || break
        job_wait
    done
    job_start "$dir" "$name" --network private -- "$apps/stall" 200 "$1"
    job_wait
    is "$job_status" 0 "$name: it ends with status 0"
    same_file "$dir.out" "$dir.ref" "$name: its output is that of an uninterrupted run"
    is "$(restarts_of "$name")" 3 "$name: it was restarted 3 times"
}

cycle_app tcp --run-args "--network private" -- "$apps/tcp"
stalls 4
stalls 6
remains_nothing "$cycle_work"
finish
