#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A file system whose daemon has died, or hangs: nothing waits for it without end, and nothing is lost.
set -euo pipefail
. /src/tests/lib/cycle.sh
. /src/tests/files/lib/fuse.sh

work_in "$(TMPDIR=$HOME scratch)"
kept_dir=$work/mnt.back
cd "$work"
mkdir ref
(cd ref && "$apps/writer" 200 >../ref.out)
fuse_up mnt
mkdir mnt/w
job_start "$work/mnt/w" hangs -- "$apps/writer" 200
require wait_for lines_at_least mnt/w.out 2
require job_checkpoint

# The job itself hangs now.
kill -STOP "$fuse_pid"
fails "a checkpoint while it hangs is given up at its deadline" 114 bivouac checkpoint hangs --timeout 1
ok "preflight asks nobody who may hang" timeout "$tap_deadline" bivouac preflight hangs
kill -CONT "$fuse_pid"
lines=$(wc -l <mnt.back/w.out)
ok "the job goes on when it does" wait_for lines_at_least mnt.back/w.out $((lines + 1))
require job_crash

kill -STOP "$fuse_pid"
refused 111 "file system of the job's directory .*mnt/w has not answered" "hanging"
kill -CONT "$fuse_pid"

{
    kill -KILL "$fuse_pid"
    wait "$fuse_pid" || :
} 2>/dev/null
refused 111 "file system of the job's directory .*mnt/w does not work: have it mounted again" "dead"
fuse_down mnt
fuse_up mnt

job_start "$work/mnt/w" hangs -- "$apps/writer" 200
job_wait
is "$job_status" 0 "mounted again: the job goes on to its end"
same_file mnt/w.out ref.out "mounted again: its output is that of an uninterrupted run"
ok "mounted again: its files are those of an uninterrupted run" diff -r ref mnt/w
fuse_down mnt
remains_nothing "$work"
logs_if_failed "$work"
finish
