#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A file system that is unmounted and mounted again between a checkpoint and the restart, by FUSE: with other inode numbers, and
# without the names that deleted files had; not mounted; with a daemon that has died, or hangs.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh
. /src/tests/files/lib/fuse.sh

work_in "$(TMPDIR=$HOME scratch)"
kept_dir=$work/mnt.back
cd "$work"

# The job, its files, its program and its working directory are all there.
bare()
{
    mkdir "ref-$1"
    (cd "ref-$1" && "$apps/$1" "$2" >../"ref-$1.out")
}
bare holder 60
bare writer 200
fuse_up mnt
cp "$apps/holder" mnt/program

# All files are copies, with numbers of their own, and what is left of deleted ones is gone.
mount_another()
{
    fuse_down mnt
    cp -a mnt.back mnt.copy
    rm -rf mnt.back
    mv mnt.copy mnt.back
    find mnt.back -name '.fuse_hidden*' -delete
    fuse_up mnt
}

# goes_on NAME COMMAND…: to the end of an undisturbed run.
goes_on()
{
    local name=$1

    shift
    job_start "$work/mnt/$name" "$name" -- "$@"
    job_wait
    is "$job_status" 0 "$name: the job goes on to its end"
    same_file "mnt/$name.out" "ref-$name.out" "$name: its output is that of an uninterrupted run"
    ok "$name: its files are those of an uninterrupted run" diff -r "ref-$name" "mnt/$name"
    is "$(find mnt.back -name '.fuse_hidden*' -o -name 'link_remap.*')" "" "$name: no file is left of those it has deleted"
}

mkdir mnt/holder mnt/writer
lives_once "$work/mnt/holder" holder -- ../program 60
mount_another
goes_on holder ../program 60

lives_once "$work/mnt/writer" writer -- "$apps/writer" 200
like "$(cat "$BIVOUAC_STORE"/jobs/writer/0*1/manifest)" 'network file system \(fuse' "preflight's note is in the manifest"
fuse_down mnt
refused 109 'mnt/writer was on a file system \(fuse.*\) that is not mounted on .*mnt here' "not mounted"
mkdir "$work/mnt/writer"
refused 109 'mnt/writer.* was on a file system .* that is not mounted' "not mounted, with a directory of that name"
rmdir "$work/mnt/writer"
fuse_up mnt
mount_another
goes_on writer "$apps/writer" 200

fuse_down mnt
remains_nothing "$work"
logs_if_failed "$work"
finish
