#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# What is refused before a container starts, or is left as it was; and what may go wrong with one that runs.
set -euo pipefail
. /src/tests/lib/container.sh
. /src/tests/lib/damage.sh

cd "$(scratch)"
id=sad-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
export BIVOUAC_STORE=$PWD/store
bundle box

# ends_with STATUS NAME COMMAND…: what it says is in err.
ends_with()
{
    local expected=$1 name=$2 status=0

    shift 2
    "$@" </dev/null >out 2>err || status=$?
    is "$status" "$expected" "$name"
}

# refused STATUS REGEX NAME COMMAND…
refused()
{
    local status=$1 text=$2 name=$3

    shift 3
    ends_with "$status" "$name" bivouac run --job "$id" "$@"
    like "$(cat err)" "$text" "and it is said why"
    ok "there is no job" test ! -e "store/jobs/$id"
}

run=(runc run --bundle "$PWD/box")
refused 109 "cgroup v2 alone.*systemd.unified_cgroup_hierarchy=1" "a host with cgroup v1" -- "${run[@]}" "$id"
container_host
refused 2 "--detach: Bivouac waits for the container: leave this option out" "--detach" -- "${run[@]}" --detach "$id"
refused 2 "-d: Bivouac waits" "-d" -- "${run[@]}" -d "$id"
refused 2 "Bivouac does not know the option --pink of runc" "an unknown option" -- "${run[@]}" --pink "$id"
refused 2 "one word too many" "two containers" -- "${run[@]}" "$id" other
refused 2 "what to run is not said" "no container" -- "${run[@]}"
refused 2 "--network private is nothing for a container" "a private network" --network private -- "${run[@]}" "$id"
refused 2 "write runc run" "another verb" --engine runc -- runc list
refused 111 "cannot read the bundle's /none/config.json" "no bundle" -- runc run --bundle /none "$id"
mount --bind /dev/null "$(type -P crun)"
refused 107 "crun is not installed" "a runtime that is not there" -- crun run --bundle "$PWD/box" "$id"
jq '.process.terminal = true' box/config.json >box/new && cp -r box tty && mv box/new tty/config.json
refused 2 'set "terminal" to false' "a terminal" -- runc run --bundle "$PWD/tty" "$id"
printf '{' >tty/config.json
refused 2 "is not valid JSON" "a bad configuration" -- runc run --bundle "$PWD/tty" "$id"
chmod 755 . && chmod -R a+rX box
ends_with 102 "another user" as_user alice env BIVOUAC_STORE=/home/alice/store bivouac run -- "${run[@]}" "$id"
like "$(cat err)" "only root can checkpoint a container from outside" "is told what else there is"
ends_with 102 "another user" as_user alice env BIVOUAC_STORE=/home/alice/store bivouac run -- podman run image
like "$(cat err)" "only root can checkpoint a container from outside: run Bivouac inside" "is told it for podman too"

# Another container of that name is not touched.
runc run --detach --bundle "$PWD/box" "$id" </dev/null >/dev/null 2>&1
fails "a name that is in use" 126 bivouac run --job "$id" -- "${run[@]}" "$id"
fails "also when it is tried again" 126 bivouac run --job "$id" -- "${run[@]}" "$id"
is "$(runc list -q)" "$id" "the other one goes on"
runc delete --force "$id"
bivouac delete "$id" >/dev/null 2>&1 || :
rm -f box/data/log

# Nor one that has got it since, of a bundle or a pid that was ours.
job_start box "$id" -- "${run[@]}" "$id"
require wait_for has_lines box.out 5
init=$(pgrep -x -P "$job_pid" bivouac-init)
kill -STOP "$job_pid" "$init"
kill -KILL "$job_pid" "$init"
job_wait
is "$(runc list -q)" "$id" "a container of which supervisor and init were killed goes on"
runc delete --force "$id"
runc run --detach --bundle "$PWD/box" "$id" </dev/null >/dev/null 2>&1
ends_with 126 "another one that has its name by now" bivouac run --job "$id" -- "${run[@]}" "$id"
like "$(cat err)" "runc has a container $id already: delete it, or wait" "is in the way"
is "$(runc list -q)" "$id" "and goes on"
runc delete --force "$id"
bivouac delete "$id" >/dev/null 2>&1 || :
rm -f box/data/log box.out

# A checkpoint that is damaged is never given to the runtime.
job_start box "$id" -- "${run[@]}" "$id"
require wait_for has_lines box.out 5
require checkpoint_started --kill "$id"
job_wait
flip "$(find "store/jobs/$id/000001" -name 'pack*' | head -n 1)"
ends_with 104 "a flipped byte" bivouac run --job "$id" -- "${run[@]}" "$id"
like "$(cat err)" "does not match its digest.*nothing was started" "is seen before the runtime is started"
is "$(runc list -q)" "" "and there is no container"
bivouac delete --force "$id" >/dev/null 2>&1 || bivouac delete "$id"

# A store that is full: the container runs on.
mkdir small
mount -t tmpfs -o size=1m,mode=700 tmpfs small
rm -f box/data/log box.out
BIVOUAC_STORE=$PWD/small job_start box "$id" -- "${run[@]}" "$id"
export BIVOUAC_STORE=$PWD/small
require wait_for has_lines box.out 5
head -c 960k /dev/zero >small/filler 2>/dev/null || :
fails "a checkpoint in a store that is full" 105 checkpoint_started --kill "$id"
ok "the job goes on" goes_on box
rm small/filler
ok "and is checkpointed when there is room" bivouac checkpoint "$id"
runc kill "$id" KILL
job_wait
is "$job_status" 137 "a death by signal is the container's"
ok "the output is whole" counts_on box.out 10 "line "
finish
