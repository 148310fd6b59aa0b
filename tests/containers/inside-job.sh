#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A container that the job itself starts cannot be dumped: that is said, and what to do.
set -euo pipefail
. /src/tests/containers/lib/inside.sh
make_image
export BIVOUAC_STORE=$work/store

# nested NAME CMD…: a checkpoint of a job that starts such a container.
nested()
{
    local name=$1 status=0 pid

    shift
    (cd "$work" && exec bivouac run --job "$name" -- "$@" bash -c 'echo up; until [[ -e go ]]; do sleep 0.02; done') \
        </dev/null >"$work/$name.out" 2>"$work/$name.err" &
    pid=$!
    wait_for grep -q up "$work/$name.out" || kill "$pid"
    bivouac checkpoint --kill "$name" >"$work/$name.log" 2>&1 || status=$?
    is "$status" 115 "$name: a checkpoint is refused"
    like "$(<"$work/$name.log")" \
        "has a [a-z]+ namespace of its own, as in a container that the job has started. Make Bivouac the innermost" \
        "$name: in words that say what to do"
    touch "$work/go"
    status=0
    wait "$pid" || status=$?
    is "$status" 0 "$name: and it runs on to its end"
    rm "$work/go"
}

nested apptainer apptainer --silent exec "$image"
nested bubblewrap bwrap --bind / / --dev /dev --proc /proc --unshare-pid
nested unshare unshare --user --map-current-user --pid --fork --mount-proc
finish
