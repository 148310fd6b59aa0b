#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# One job on four hosts that were booted at different times: a new host for every restart.
set -euo pipefail
. /src/tests/lib/cycle.sh
. /src/tests/lib/legs.sh

work=/home/alice/host
uptime=$(cut -d. -f1 /proc/uptime)

# travel NAME PROGRAM…
travel()
{
    local name=$1 place way boot status
    local dir=$work/$1

    shift
    as_user alice mkdir -p "$dir" "$dir.ref"
    # shellcheck disable=SC2016
    as_user alice bash -c 'cd "$1" && shift && exec "$@"' - "$dir.ref" "$@" >"$dir.ref.out" 2>/dev/null
    # Longer up than this machine, booted just now, much longer up, as long up as this machine.
    for place in north:kill:86400 "south:kill:-$((uptime - uptime / 4))" east:kill:300000 west:end:0; do
        IFS=: read -r place way boot <<<"$place"
        status=0
        /src/testbed/host "$place" --user alice --boot-offset "$boot" -- "$0" --leg "$dir" "$way" "$@" \
            >>"$dir.legs" 2>&1 || status=$?
        if [[ $way == kill ]]; then
            is "$status" 85 "$name: on $place (clock at $boot s) it is checkpointed and killed"
        else
            is "$status" 0 "$name: on $place it ends"
        fi
    done
    same_file "$dir.out" "$dir.ref.out" "$name: its output is that of an uninterrupted run"
    ok "$name: its files are those of an uninterrupted run" diff -r "$dir.ref" "$dir"
    ((tap_failed == 0)) || tail -n 30 "$dir.legs" "$dir.err" "$dir.checkpoint" 2>&1 | diag
}

as_user alice mkdir -p "$work"
travel writer "$apps/writer" 400
travel clocks "$apps/clocks" 100
finish
