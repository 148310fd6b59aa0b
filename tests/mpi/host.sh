#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# One MPI job on three hosts, one after another: names and networks of the hosts differ.
set -euo pipefail
. /src/tests/mpi/lib/mpi.sh
. /src/tests/lib/legs.sh

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
