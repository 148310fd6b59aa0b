#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# Where Bivouac itself lets things lie: nothing of that need be executable, /tmp and TMPDIR need not even be writable, and /dev/shm and
# the runtime directory of the host may be full.
set -euo pipefail
if [[ $(id -u) == 0 ]]; then
    . /src/tests/lib/tap.sh
    mkdir /home/alice/store /home/alice/jobs
    for dir in /home/alice/store /home/alice/jobs /run/user/1000; do
        mount -t tmpfs -o noexec,size=32m,mode=700,uid="$(id -u alice)" tmpfs "$dir"
    done
    mount -t tmpfs -o ro,noexec tmpfs /tmp
    mount -o remount,size=64k /dev/shm
    as_user alice "$0"
    exit
fi
cd
. /src/tests/lib/cycle.sh
export XDG_RUNTIME_DIR=/run/user/1000 BIVOUAC_STORE=$HOME/store/store TMPDIR=/nowhere
export BIVOUAC_KEEP_ON_SUCCESS=yes
checkpoint_log=$HOME/store/checkpoint.log
cd jobs
mkdir ref
(cd ref && "$apps/writer" 100 >../ref.out)

fill()
{
    head -c 100M /dev/zero >"$1/filler" 2>/dev/null || :
    is "$(df --output=avail "$1" | tail -n 1 | tr -d ' ')" 0 "$1 is full"
}

# survives NAME OPTION…: a crash behind a checkpoint, and is the same.
survives()
{
    local name=$1

    shift
    mkdir "$name"
    job_start "$PWD/$name" "$name" "$@" -- "$apps/writer" 100
    require wait_for lines_at_least "$name.out" 2
    require job_checkpoint
    require job_crash
    job_start "$PWD/$name" "$name" "$@" -- "$apps/writer" 100
    job_wait
    is "$job_status" 0 "$name: the job goes on to its end"
    same_file "$name.out" ref.out "$name: its output is that of an uninterrupted run"
    ok "$name: its files are those of an uninterrupted run" diff -r ref "$name"
}

fill /dev/shm
survives plain
survives preload --preload=yes
survives private --tmp private
ok "a checkpoint is verified deeply, in the store" env -u TMPDIR bivouac verify --deep plain
ok "doctor finds nothing to complain of" bivouac doctor
got=0
said=$(bivouac rehearse -- "$apps/writer" 10 2>&1) || got=$?
is "$got" 102 "a rehearsal has no place to work in"
like "$said" '/nowhere \(see TMPDIR\)' "and says so"

fill "$XDG_RUNTIME_DIR"
survives full
got=0
said=$(bivouac doctor 2>&1) || got=$?
is "$got" 105 "doctor has no room for its own job"
like "$said" "/run/user/1000/bivouac has not the .* BIVOUAC_RUNTIME_DIR" "and says so"

rm -rf /dev/shm/filler
remains_nothing "$HOME"
logs_if_failed "$PWD"
finish
