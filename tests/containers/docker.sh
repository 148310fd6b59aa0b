#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# A container of docker as a job: from its start to its end, over checkpoints, a crash and restarts; and what is refused.
set -euo pipefail
. /src/tests/lib/container.sh
. /src/tests/lib/docker.sh

cd "$(scratch)"
make_rootfs root

# refused STATUS REGEX NAME ARG…
refused()
{
    local expected=$1 text=$2 name=$3 status=0

    shift 3
    bivouac run --job sad "$@" </dev/null >out 2>err || status=$?
    is "$status" "$expected" "$name"
    like "$(cat err)" "$text" "and it is said why"
}

run=(docker run --name "bivouac-$$" --network none -v "$PWD/box/data:/data" -e NAME=value)
export BIVOUAC_STORE=$PWD/store DOCKER_HOST=unix://$PWD/dockerd/socket
refused 109 "cgroup v2 alone" "a host with cgroup v1" -- "${run[@]}" box
container_host
refused 107 "dockerd does not answer on .*start it" "no dockerd" -- "${run[@]}" box
docker_up --storage-driver overlay2
refused 109 "experimental.*/etc/docker/daemon.json" "a dockerd that makes no checkpoints" -- "${run[@]}" box
docker_down
docker_up --storage-driver vfs --experimental
refused 109 "storage driver vfs.*overlay2 only" "a storage driver without layers" -- "${run[@]}" box
docker_down

docker_up --storage-driver overlay2 --experimental
refused 2 "Bivouac waits for the container: leave this option out" "--detach" -- "${run[@]}" --detach box
refused 2 "with a terminal cannot be checkpointed" "-t among others" -- "${run[@]}" -vt:/t -tu0 box
refused 2 "standard input cannot be kept" "-i" -- "${run[@]}" -i box
refused 2 "Bivouac itself removes the container" "--rm" -- "${run[@]}" --rm box
refused 2 "does not know the option --pink of docker" "an unknown option" -- "${run[@]}" --pink box
refused 2 "does not know the option -p of docker" "a port" -- "${run[@]}" -p 80:80 box
refused 2 "write docker run --network none" "a network" -- docker run box
refused 2 "write HOST-DIRECTORY:DIRECTORY" "a volume that is new each time" -- "${run[@]}" -v /new box
refused 2 "what to run is not said" "no image" -- "${run[@]}"
refused 2 "must be on this host" "a dockerd elsewhere" -- docker -H tcp://there run --network none box
refused 2 "write docker run" "another verb" --engine docker -- docker ps
chmod 755 .
status=0
as_user alice env BIVOUAC_STORE=/home/alice/store bivouac run -- "${run[@]}" box 2>err || status=$?
is "$status" 102 "another user"
like "$(cat err)" "only root can checkpoint a container from outside" "is told what else there is"
ok "there is no job of them" test ! -e store/jobs/sad
refused 126 "No such image: box:latest" "an image that is not there" -- "${run[@]}" box
docker_image box root

mkdir -p box/data
container_life box "docker-$tag" docker_ids "${run[@]}" box /bin/bash -c "$counter"

mkdir -p fast/data
run=(docker run --name "bivouac-$$" --network none -v "$PWD/fast/data:/data" -e NAME=value)
# shellcheck disable=SC2016
inner='[[ $NAME == value ]] || exit 1
echo old >/var/tmp/closed
n=0
while [[ ! -e /data/end ]]; do n=$((n + 1)); echo "line $n"; echo "line $n" >&2; done
cat /var/tmp/closed; echo "last" >&2
exit 0'
job_start fast inner -- "${run[@]}" box /bin/bash -c "$inner"
require wait_for has_lines fast.out 500
ok "one that writes as fast as it can is checkpointed" checkpoint_started inner
upper=$(api GET "/containers/$(docker_ids)/json" | jq -r .GraphDriver.Data.UpperDir)
echo new >"$upper/var/tmp/closed"
echo new >"$upper/var/tmp/other"
job_crash
ok "nothing of it outlives the supervisor" wait_for is_not_listed docker_ids
docker_down
umount dockerd
docker_up --storage-driver overlay2 --experimental
docker_image box root
job_start fast inner -- "${run[@]}" box /bin/bash -c "$inner"
ok "it is continued with a dockerd that does not know it" goes_on fast
ok "and checkpointed again" checkpoint_started inner
upper=$(api GET "/containers/$(docker_ids)/json" | jq -r .GraphDriver.Data.UpperDir)
ok "what it had not yet written is not in its file system" test ! -e "$upper/var/tmp/other"
touch fast/data/end
job_wait
is "$job_status" 0 "it ends well"
is "$(tail -n 1 fast.out)" "old" "a file that was closed was rolled back in its own file system"
sed -i '$d' fast.out
ok "no line of its output is lost or doubled" counts_on fast.out 500 "line "
sed -n '/^line/p' fast.err >fast.lines
ok "nor one of its standard error" counts_on fast.lines 500 "line "
is "$(tail -n 1 fast.err)" "last" "which is whole too"

status=0
# shellcheck disable=SC2016
bivouac run --job short -- "${run[@]}" box /bin/bash -c 'echo "$NAME"; exit 3' >short.out 2>&1 </dev/null || status=$?
is "$status" 3 "one that ends at once"
is "$(tail -n 1 short.out)" value "has said what it had to say"

# Supervisor and init are killed at once; then the container, by somebody else.
rm fast/data/end
job_start fast both -- "${run[@]}" box /bin/bash -c "$counter"
require wait_for has_lines fast/data/log 5
ok "a checkpoint of a job that nobody will tidy up behind" checkpoint_started both
# Each would tidy up behind the other, if it saw it go.
init=$(pgrep -x -P "$job_pid" bivouac-init)
kill -STOP "$job_pid" "$init"
kill -KILL "$job_pid" "$init"
job_wait
is "$(docker_ids | wc -l)" 1 "its container runs on"
left=$(docker_ids)
job_start fast both -- "${run[@]}" box /bin/bash -c "$counter"
ok "it is continued in another container" wait_for docker_runs_another "$left"
is "$(docker_ids | wc -l)" 1 "which is the only one"
ok "and goes on" goes_on fast
# What copies the output stands still: a checkpoint waits for it, with the container paused, and is killed then.
init=$(pgrep -x -P "$job_pid" bivouac-init)
copier=$(pgrep -x -P "$init" bivouac-docker)
kill -STOP "$copier"
checkpoint_started both >/dev/null 2>&1 &
asked=$!
require wait_for docker_is_paused
kill -KILL -- "-$(pgrep -x -P "$init" bivouac-init)"
status=0
wait "$asked" || status=$?
kill -CONT "$copier"
is "$status" 106 "a checkpoint that is killed"
ok "lets the container go on" wait_for has_lines fast/data/log $(($(wc -l <fast/data/log) + 5))
ok "and the next one is made" bivouac checkpoint both
require api POST "/containers/$(docker_ids)/pause"
fails "one that somebody has paused" 106 bivouac checkpoint both
require api POST "/containers/$(docker_ids)/unpause"
ok "runs on" wait_for has_lines fast/data/log $(($(wc -l <fast/data/log) + 5))
require api POST "/containers/$(docker_ids)/kill"
job_wait
is "$job_status" 137 "a death by signal is the container's"
ok "its file on the host is whole" counts_on fast/data/log 10
SLURM_JOB_ID=7 SLURM_RESTART_COUNT=1 job_start fast both -- "${run[@]}" box /bin/bash -c "$counter"
# dockerd takes one that ends right behind its restore for one that could not be restored ("ttrpc: closed").
require goes_on fast
touch fast/data/end
job_wait
is "$job_status" 7 "of which a scheduler that runs the job again has it continued"
[[ $job_status == 7 ]] || tail -n 5 fast.err | diag

# dockerd dies, and another one finds the container as it was.
mkdir -p gone/data
job_start gone gone -- docker run --network none -v "$PWD/gone/data:/data" box /bin/bash -c "$counter"
require wait_for has_lines gone.out 5
# The copier stands still, so that this happens while the container is paused for a checkpoint.
init=$(pgrep -x -P "$job_pid" bivouac-init)
copier=$(pgrep -x -P "$init" bivouac-docker)
kill -STOP "$copier"
checkpoint_started gone >/dev/null 2>&1 &
asked=$!
require wait_for docker_is_paused
kill -KILL "$docker_pid"
wait "$docker_pid" 2>/dev/null || :
kill -KILL -- "-$(pgrep -x -P "$init" bivouac-init)"
status=0
wait "$asked" || status=$?
is "$status" 106 "a checkpoint during which dockerd dies"
require wait_for grep -q "stands still, and this is tried again: docker could not let" gone.err
kill -CONT "$copier"
docker_up --storage-driver overlay2 --experimental --live-restore
ok "a job goes on that has outlived its dockerd" goes_on gone
ok "and is checkpointed" bivouac checkpoint gone
touch gone/data/end
job_wait
is "$job_status" 7 "its exit status is the container's"
ok "its file on the host is whole" counts_on gone/data/log 10

# Another container of that name is not touched.
require bivouac delete sad
printf '{"Image": "box", "Cmd": ["/bin/true"]}' >other.json
require api POST "/containers/create?name=bivouac-$$" other.json
refused 126 "already in use" "a name that is in use" -- "${run[@]}" box /bin/bash
is "$(docker_ids | wc -l)" 1 "the other one is still there"
docker_down
finish
