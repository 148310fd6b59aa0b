#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# in-apptainer.sh COMMAND…: in a new container of Apptainer, whose image has nothing but the host's programs.
set -eu

image=$PWD/../image
base=$(cd "$PWD/../.." && pwd)
programs=$(dirname "$0")
binds=$base,/usr,$(dirname "$1"),$programs
mkdir -p "$image/dev" "$image/etc" "$image/proc" "$image/run" "$image/sys" "$image/tmp" "$image/usr" "$image/var/tmp"
for dir in bin lib lib32 lib64 libx32 sbin; do
    if test -L "/$dir"; then
        test -L "$image/$dir" || cp -P "/$dir" "$image"
    elif test -d "/$dir"; then
        mkdir -p "$image/$dir"
        binds=$binds,/$dir
    fi
done
if ! why=$(apptainer --nocolor --silent exec --bind "$binds" "$image" true 2>&1); then
    printf 'Apptainer starts no container here: %s\n' "$(printf '%s' "$why" | sed -n 's/.*\(ERROR\|FATAL\)[^:]*: *//p' | tail -n 1)"
    exit 77
fi
exec apptainer --silent exec --bind "$binds" --pwd "$PWD" "$image" "$@"
