#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# A file system without reflinks, with little room: files larger than the capture limit, and none left to put them back. The store
# has room.
set -euo pipefail
. /src/tests/lib/small-disk.sh
small_disk 8m
. /src/tests/lib/cycle.sh
. /src/tests/files/lib/fuse.sh

checkpoint_log=$HOME/checkpoint.log
export BIVOUAC_STORE=$HOME/store
cat >job.sh <<'END'
head -c 3M /dev/zero | tr '\0' a >table
exec 3<>table 4>>log
for ((step = 0; step < 40; step++)); do
    echo "record $step" | dd of=/dev/fd/3 bs=4k seek=$step conv=notrunc status=none
    echo "line $step" >&4
    echo "$step"
    sleep 0.02
done
END

# starts NAME [OPTION…]
starts()
{
    mkdir -p "$small/$1"
    lives_once "$small/$1" "$@" -- bash ~/job.sh
    kept_dir=$small/$1
}

ends_well()
{
    job_start "$small/$1" "$@" -- bash ~/job.sh
    job_wait
    is "$job_status" 0 "$1: the job goes on to its end"
    same_file "$small/$1.out" ref.out "$1: its output is that of an uninterrupted run"
    is "$(grep -av '^bivouac: ' "$small/$1.err")" "" "$1: and it says nothing else"
    ok "$1: its files are those of an uninterrupted run" diff -qr ref "$small/$1"
    rm -rf "${small:?}/$1"
}

mkdir ref
(cd ref && bash ~/job.sh >../ref.out)

starts full
rm "$small/full/table"
head -c 6M /dev/zero >"$small/filler"
refused 105 'needs [0-9]+ KiB more on the file system of .*full/table, where [0-9]+ KiB are free' "full"
rm "$small/filler"
ends_well full

starts large --capture-limit 1M
refused 110 'large/table has changed since the checkpoint, and the checkpoint does not hold its content' "large"
ends_well large --accept-changed

starts gone --capture-limit 1M
rm "$small/gone/table"
refused 110 'gone/table is gone, and the checkpoint does not hold its content' "gone"

remains_nothing "$HOME"
logs_if_failed "$small"
finish
