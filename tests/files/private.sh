#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# Directories that only their user may read, whoever else asks, root too: job, store and program are there, as with root_squash.
set -euo pipefail
if [[ $(id -u) == 0 ]]; then
    . /src/tests/lib/tap.sh
    . /src/tests/lib/users.sh
    home=$(home_of alice)
    as_user alice "$0" &
    require wait_for test -e "$home/asks"
    require grep -q " $home/work/mnt fuse" /proc/self/mounts
    if ls "$home/work/mnt" >/dev/null 2>&1; then
        touch "$home/root-may"
    fi
    rm "$home/asks"
    status=0
    wait $! || status=$?
    exit "$status"
fi
cd
. /src/tests/lib/cycle.sh
. /src/tests/files/lib/fuse.sh

work=$HOME/work
mkdir "$work"
cd "$work"
mkdir ref ref-holder
(cd ref && "$apps/writer" 100 >../ref.out)
fuse_up mnt
touch ~/asks
require wait_for test ! -e ~/asks
ok "root may not look into it" test ! -e ~/root-may

export BIVOUAC_STORE=$work/mnt/store
checkpoint_log=$work/checkpoint.log
mkdir -m 700 mnt/job
install -m 700 "$apps/writer" mnt/program
umask 077

# Two checkpoints: the second shares what it has of the first.
job_start "$work/mnt/job" private -- ../program 100
require wait_for lines_at_least mnt/job.out 2
require job_checkpoint
require wait_for lines_at_least mnt/job.out 3
require job_checkpoint --kill
job_wait
is "$job_status" 85 "the job was checkpointed and ended"
fuse_down mnt
fuse_up mnt
ok "the store verifies when it was mounted again" bivouac verify private
ok "deeply, too" bivouac verify --deep private
job_start "$work/mnt/job" private -- ../program 100
job_wait
is "$job_status" 0 "the job goes on to its end"
same_file mnt/job.out ref.out "its output is that of an uninterrupted run"
ok "its files are those of an uninterrupted run" diff -r ref mnt/job
fuse_down mnt
remains_nothing "$work"
logs_if_failed "$work"
finish
