#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lesser-cpu.sh COMMAND…: where the CPU has no SSSE3, as far as /proc/cpuinfo tells.
set -eu

sed 's/ ssse3 / /' /proc/cpuinfo >cpuinfo
if cmp -s cpuinfo /proc/cpuinfo; then
    echo "the CPU has no SSSE3 that it could be without"
    exit 77
fi
# shellcheck disable=SC2016 # the inner shell expands
exec unshare --user --map-current-user --mount --keep-caps \
    sh -c 'mount --bind cpuinfo /proc/cpuinfo && exec "$@"' - "$@"
