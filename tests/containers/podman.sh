#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# A container of podman as a job: from its start to its end, over checkpoints, a crash and restarts.
set -euo pipefail
. /src/tests/lib/container.sh

cd "$(scratch)"
container_host
make_rootfs image
(cd image && tar -c .) | podman import --quiet - image >import.log 2>&1 || require cat import.log
mkdir -p box/data
name=podman-$tag
# Of the controllers of this host, pids is not one of cgroup v2.
options=(--network none --pids-limit 0 -v "$PWD/box/data:/data")
run=(podman --runtime runc run "${options[@]}")

# The file in its own file system is told at the end.
program=${counter/exit 7/cat \/var\/tmp\/inner >\/data\/inner; exit 7}
container_life box "$name" "podman ps --all --quiet" "${run[@]}" --rm --name "$name" image bash -c "$program"
ok "its file in its own file system was rolled back too" counts_on box/data/inner 20
is "$(wc -l <box/data/inner)" "$(wc -l <box.out)" "with as many lines"

# --- what ends at once, reads, or is killed ---

status=0
# shellcheck disable=SC2016
echo "to read" | bivouac run -- "${run[@]}" image bash -c 'read -r line; echo "$line"; echo also >&2; exit 3' \
    >fast.out 2>fast.err || status=$?
is "$status" 3 "a container that ends at once: its status"
is "$(<fast.out)" "to read" "its input and its output are Bivouac's"
like "$(<fast.err)" "also" "so is what it says of errors"
fails "a program that the image has not" 126 bivouac run -- "${run[@]}" image no-such-program
is "$(podman ps --all --quiet)" "" "leaves no container"

rm -f box/data/{log,end} box.out
job_start box killed -- "${run[@]}" --device /dev/fuse --name "$name" image bash -c "exec 5</dev/fuse; $program"
require wait_for has_lines box.out 5
status=0
checkpoint_started --kill killed >out || status=$?
is "$status" 106 "an open device: no checkpoint"
like "$(<out)" "criu could not dump the job: Can.t dump file 5" "and it is told why"
fails "a name that is in use" 126 bivouac run --job another -- "${run[@]}" --name "$name" image bash -c true
ok "the other one goes on" goes_on box
podman kill "$name" >kill.log
job_wait
is "$job_status" 137 "a death by signal is the container's"

# --- what is refused before anything starts ---

# refused STATUS REGEX NAME COMMAND…
refused()
{
    local expected=$1 text=$2 name=$3 status=0

    shift 3
    bivouac run --job refused "$@" >out 2>err </dev/null || status=$?
    is "$status" "$expected" "$name"
    like "$(<err)" "$text" "and it is said why"
    ok "there is no job" test ! -e store/jobs/refused
}

refused 2 "-d: Bivouac waits for the container: leave this option out" "-d" -- "${run[@]}" -d image bash
refused 2 "-it: the container has Bivouac's own standard input: leave" "-it" -- "${run[@]}" -it image bash
refused 2 "--tty=true: a container with a terminal cannot" "--tty=true" -- "${run[@]}" --tty=true image bash
refused 2 "--replace: Bivouac touches no other container" "--replace" -- "${run[@]}" --replace image bash
refused 2 "--remote: a container of another host" "--remote" -- podman --remote run image bash
refused 2 "does not know the option -qZ of podman" "an unknown option" -- "${run[@]}" -qZ image bash
refused 2 "--name needs a value" "no value" -- "${run[@]}" --name
refused 2 "what to run is not said" "no image" -- "${run[@]}" --name "$name"
refused 2 "write podman run ..." "another verb" --engine podman -- podman ps
refused 2 "write podman --runtime runc run" "another runtime" -- podman --runtime crun run image bash
export CONTAINER_HOST=unix:///none
refused 2 "unset CONTAINER_HOST" "another service" -- "${run[@]}" image bash
finish
