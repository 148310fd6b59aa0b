# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A file system that comes and goes: bindfs, by FUSE, as an ordinary user. Behind tests/lib/cycle.sh.
#
#   fuse_up mnt [OPTION…]      what lies in mnt.back is seen in mnt; only by this user, not even by root
#   fuse_down mnt
# shellcheck disable=SC2154 # tap_deadline and job_id are of tests/lib/cycle.sh, kept_dir of the script

# The daemon is our child, so that it is no stranger. Sets fuse_pid.
fuse_up()
{
    local mount=$1

    shift
    mkdir -p "$mount.back" "$mount"
    bindfs -f --no-allow-other "$@" "$mount.back" "$mount" &
    fuse_pid=$!
    require wait_for mountpoint -q "$mount"
}

fuse_down()
{
    require wait_for fusermount3 -u "$1"
    wait "$fuse_pid" || :
}

# lives_once DIR ID COMMAND…: a first life of the job, in DIR, with a checkpoint in its midst, that ends in a crash a while later.
lives_once()
{
    local dir=$1 lines

    job_start "$@"
    require wait_for lines_at_least "$dir.out" 2
    require job_checkpoint
    lines=$(wc -l <"$dir.out")
    require wait_for lines_at_least "$dir.out" $((lines + 2))
    require job_crash
}

# refused STATUS REGEX NAME: another life does not begin, is told why in one sentence, and no file in $kept_dir is touched.
refused()
{
    local got=0 said before

    before=$(contents)
    said=$(cd / && timeout "$((4 * tap_deadline))" bivouac restart "$job_id" 2>&1) || got=$?
    is "$got" "$1" "$3: refused with status $1"
    like "$said" "$2" "$3: it says which, and why"
    is "$(wc -l <<<"$said")" 1 "$3: in one sentence"
    diag "$said"
    is "$(contents)" "$before" "$3: no file is touched"
}

# What is below $kept_dir.
contents()
{
    (cd "$kept_dir" && find . -printf '%p %y %m %s\n' | sort && find . -type f -readable -exec md5sum {} + | sort)
}
