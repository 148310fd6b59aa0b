#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# younger-host.sh COMMAND…: where the host was booted later than it was.
set -eu

read -r uptime _ </proc/uptime
half=$((${uptime%.*} / 2))
if test "$half" -lt 10; then
    echo "the host was booted $uptime s ago: none can be much younger"
    exit 77
fi
exec unshare --user --map-current-user --time --fork --kill-child --monotonic "-$half" --boottime "-$half" "$@"
