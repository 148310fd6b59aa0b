#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files that cannot be put back, because of a file system that is read-only now, or of what has become of them: the restart is
# refused before any file is touched, and can be made when that is mended.
set -euo pipefail
. /src/tests/lib/cycle.sh
. /src/tests/files/lib/fuse.sh

work_in "$(TMPDIR=$HOME scratch)"
cd "$work"
mkdir ref
(cd ref && "$apps/writer" 200 >../ref.out)

fuse_up mnt
mkdir mnt/w
lives_once "$work/mnt/w" output -- "$apps/writer" 200
kept_dir=$work/mnt.back

fuse_down mnt
fuse_up mnt -r
refused 102 'mnt/w.*is on a file system that is read-only here' "read-only"
fuse_down mnt
fuse_up mnt

mv mnt/w/table.bin mnt/w/table
mkdir mnt/w/table.bin
refused 110 'mnt/w/table\.bin was a file .* a directory now' "a directory"
rmdir mnt/w/table.bin
mv mnt/w/table mnt/w/table.bin

# The daemon has no more rights than the user has.
chmod 444 mnt/w/cells.bin
refused 102 'mnt/w/cells\.bin is not yours to write any more' "no right to write"
chmod 600 mnt/w/cells.bin

mv mnt/w.out mnt/out
mkfifo mnt/w.out
refused 110 'mnt/w\.out is not a regular file any more' "a fifo"
rm mnt/w.out
mv mnt/out mnt/w.out

# Nearly all is gone, and can be put back where a directory may be made.
mv mnt/w away
chmod 555 mnt.back
refused 111 'the job.s directory .*mnt/w is gone' "no directory"
chmod 755 mnt.back
mkdir mnt/w
chmod 555 mnt/w
refused 102 'mnt/w/.* is not yours to write' "a directory that cannot be written"
rmdir mnt/w
mv away mnt/w

job_start "$work/mnt/w" output -- "$apps/writer" 200
job_wait
is "$job_status" 0 "mended: the job goes on to its end"
same_file mnt/w.out ref.out "mended: its output is that of an uninterrupted run"
ok "mended: its files are those of an uninterrupted run" diff -r ref mnt/w

fuse_down mnt
remains_nothing "$work"
logs_if_failed "$work"
finish
