#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# Bivouac inside of rootless podman: the two options that it needs, and what is said without them.
set -euo pipefail

if (($(id -u) == 0)); then
    # crun wants one hierarchy of cgroups; these mounts are this run's own.
    umount -R /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup
    export HOME=/home/alice USER=alice LOGNAME=alice XDG_RUNTIME_DIR=/run/user/1000
    cd
    exec setpriv --reuid alice --regid alice --init-groups -- "$0"
fi
. /src/tests/containers/lib/inside.sh
make_image
make_job

(cd "$image" && tar -c .) | podman import --quiet - image >"$work/import.log" 2>&1 || require cat "$work/import.log"

# within NAME OPTION…: what follows is run in a container of this name.
within()
{
    local name=$1

    shift
    enter=(podman --log-level error run --rm --replace --name "$name" --network none -v "$work:$work" -w "$work/$name"
        "$@" image)
}

# asked NAME COMMAND…: in the container. Its end may come before podman has heard of the command's.
# shellcheck disable=SC2317 # called by inside_life
asked()
{
    podman exec "$@" >"$work/asked.log" 2>&1 || :
    grep -q 'committed after' "$work/asked.log"
}

unfiltered=(--security-opt seccomp=unconfined)
bare_proc=(--security-opt unmask=ALL)

within life "${unfiltered[@]}" "${bare_proc[@]}"
inside_life life asked life

within same-user "${unfiltered[@]}" "${bare_proc[@]}" --userns keep-id
inside_life same-user asked same-user

# --- with less ------------------------------------------------------------------------------

mkdir "$work/plain" "$work/covered"
within plain
fails "podman's defaults: the job is refused" 109 run_inside plain
like "$(<"$work/plain.err")" "covers parts of /proc and filters system calls: .*seccomp=unconfined and .*unmask=ALL" \
    "and both options are named"
within covered "${unfiltered[@]}"
fails "/proc is covered: the job is refused" 109 run_inside covered
like "$(<"$work/covered.err")" "covers parts of /proc: start it with --security-opt unmask=ALL" "and the option is named"
like "$("${enter[@]}" bivouac doctor --quick 2>&1)" "to fix: this container covers parts of /proc" "doctor says the same"

mkdir "$work/filtered"
within filtered "${bare_proc[@]}"
run_inside filtered &
pid=$!
wait_for grep -q half "$work/filtered.err" || kill "$pid"
like "$(<"$work/filtered.err")" "cannot be checkpointed: a filter of system calls .*seccomp=unconfined" \
    "a filter of system calls is told at the start"
fails "a checkpoint fails" 115 podman exec filtered bivouac checkpoint --store "$work/filtered.store" filtered
status=0
podman exec filtered bivouac preflight --store "$work/filtered.store" filtered >"$work/preflight" 2>&1 || status=$?
is "$status" 115 "preflight says why"
like "$(<"$work/preflight")" "blocks .*filter of system calls is in force that was there before Bivouac.*seccomp=unconfined" \
    "and what to do"
touch "$work/filtered/go"
status=0
wait "$pid" || status=$?
is "$status" 7 "and the job runs on to its end"
finish
