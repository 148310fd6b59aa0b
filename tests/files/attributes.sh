#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Output with holes, other names and extended attributes, larger than the capture limit where nothing is written in place: as it was
# after a roll-back, in the same file if that is there.
set -euo pipefail
. /src/tests/lib/cycle.sh
. /src/tests/files/lib/fuse.sh

work_in "$(TMPDIR=$HOME scratch)"
cd "$work"
# An access control list, which only the outside can name others in: alice may write, bob may read.
list=0x0200000001000600ffffffff02000400e903000004000400ffffffff10000400ffffffff20000400ffffffff
cat >job.sh <<'END'
exec 3>>log 4<>holes
ln log other-name
setfattr -n user.kind -v output log
setfattr -n user.kind -v holes holes
truncate -s 64M holes
for ((step = 0; step < 40; step++)); do
    echo "line $step" >&3
    printf 'record %d' "$step" | dd of=holes bs=1M seek=$step conv=notrunc status=none
    echo "$step"
    sleep 0.02
done
END

attributes()
{
    (cd "$1" && getfattr -e hex -d log holes)
}

# ends_well NAME: another life, to the end.
ends_well()
{
    job_start "$work/$1" "$1" -- bash ../job.sh
    job_wait
    is "$job_status" 0 "$1: the job goes on to its end"
    same_file "$1.out" ref.out "$1: its output is that of an uninterrupted run"
    same_file "$1/log" ref/log "$1: so is its log"
    same_file "$1/holes" ref/holes "$1: and its table"
    is "$(attributes "$1")" "$(attributes ref)" "$1: they have the same attributes"
    ok "$1: holes are holes" test "$(du -k "$1/holes" | cut -f1)" -le 2048
}

mkdir ref there gone
(cd ref && bash ../job.sh >../ref.out)

lives_once "$work/there" there -- bash ../job.sh
setfattr -n system.posix_acl_access -v "$list" there/log
ends_well there
is "$(getfattr -e hex -n system.posix_acl_access there/log | grep -o '0x.*')" "$list" "there: and its access control list"
is "$(stat -c '%i %h' there/log)" "$(stat -c '%i %h' there/other-name)" "there: the log still has its other name"

lives_once "$work/gone" gone -- bash ../job.sh
rm gone/log gone/holes
ends_well gone

remains_nothing "$work"
logs_if_failed "$work"
finish
