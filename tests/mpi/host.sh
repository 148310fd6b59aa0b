#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# One MPI job on three hosts, one after another: names and networks of the hosts differ.
set -euo pipefail
. /src/tests/mpi/lib/mpi.sh

# The part of the job that runs on one host, as alice: leg DIR WAY COMMAND. Its status is that of bivouac run.
leg()
{
    local dir=$1 way=$2 lines=0

    shift 2
    export BIVOUAC_STORE=$dir.store
    checkpoint_log=$dir.checkpoint
    [[ ! -e $dir.out ]] || lines=$(wc -l <"$dir.out")
    job_start "$dir" travels -- "$@"
    if [[ $way == kill ]]; then
        wait_for lines_at_least "$dir.out" $((lines + 2)) || return
        job_checkpoint --kill || return
    fi
    job_wait
    return "$job_status"
}

if [[ ${1:-} == --leg ]]; then
    shift
    status=0
    leg "$@" >&2 || status=$?
    exit "$status"
fi

work=/home/alice/host
as_user alice mkdir -p "$work"

for mpi in openmpi mpich; do
    launch_with "$mpi" 2
    dir=$work/$mpi
    as_user alice mkdir -p "$dir" "$dir.ref"
    # shellcheck disable=SC2016
    as_user alice bash -c 'cd "$1" && shift && exec "$@"' - "$dir.ref" "${launch[@]}" "$apps/halo.$mpi" 300 \
        >"$dir.ref.out" </dev/null
    for place in north:kill south:kill east:end; do
        IFS=: read -r host way <<<"$place"
        status=0
        /src/testbed/host "$host" --user alice -- "$0" --leg "$dir" "$way" "${launch[@]}" "$apps/halo.$mpi" 300 \
            >>"$dir.legs" 2>&1 || status=$?
        if [[ $way == kill ]]; then
            is "$status" 85 "$mpi: on $host it is checkpointed and killed"
        else
            is "$status" 0 "$mpi: on $host it ends"
        fi
    done
    same_file "$dir.out" "$dir.ref.out" "$mpi: its output is that of an uninterrupted run"
    ((tap_failed == 0)) || tail -n 30 "$dir.legs" "$dir.err" "$dir.checkpoint" 2>&1 | diag
done
finish
