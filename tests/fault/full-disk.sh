#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# A store on a small file system that is full when a checkpoint is made: whoever notices, the
# engine, the capture of files or the writer, the job goes on and the checkpoint before is intact.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail

. /src/tests/lib/small-disk.sh
small_disk 6m
. /src/tests/fault/lib/steps.sh
export BIVOUAC_STORE=$small/store
steps_memory=2

# leave_kib N: fills the file system but for so much.
leave_kib()
{
    local free

    rm -f "$small/filler"
    free=$(df --output=avail -k "$small" | tail -n 1)
    head -c $(((free - $1) * 1024)) /dev/zero >"$small/filler"
}

# checkpoint_in_vain KIB: with so much room.
checkpoint_in_vain()
{
    local got=0 said

    leave_kib "$1"
    said=$(bivouac checkpoint "$job_id" 2>&1) || got=$?
    is "$got" 105 "$1 KiB free: the request ends with status 105"
    like "$said" "[0-9.]+ ([KMG]iB|bytes).* free" "$1 KiB free: it says how much is needed and how much there is"
    is "$(wc -l <<<"$said")" 1 "$1 KiB free: in one sentence"
    diag "$said"
    is "$(newest_generation)" 1 "$1 KiB free: the checkpoint before is there"
    wait_for nothing_is_staged || :
    is "$(find "$BIVOUAC_STORE/jobs/$job_id" -name '.0*' -o -name '.staging*')" "" "$1 KiB free: no part of it is left"
    ok "$1 KiB free: the job is not stopped" job_is_awake
}

nothing_is_staged()
{
    [[ -z $(find "$BIVOUAC_STORE/jobs/$job_id" -name '.0*' -o -name '.staging*') ]]
}

job_is_awake()
{
    kill -USR1 "$job_pid"
    signals=$((signals + 1))
    wait_for lines_at_least "$dir/signals.txt" "$signals"
}

case_number=1
steps_reference
steps_new full
steps_start
require steps_reach 10
require job_checkpoint
steps_reach 20
# All of the memory becomes new before each checkpoint, so that each needs about 2 MiB. Room for nothing, for a directory,
# for a part of the pack.
kill -USR1 "$job_pid"
require wait_for lines_at_least "$dir/signals.txt" 1
for room in 0 16 100 500 1000 1900; do
    signals=$(wc -l <"$dir/signals.txt")
    checkpoint_in_vain "$room"
done
rm "$small/filler"
ok "the job goes on after all that" steps_reach 30
steps_crash

# A restart needs room too.
leave_kib 500
steps_attempt
is "$job_status" 105 "a restart without room ends with status 105"
like "$said" "free" "and says what is missing"
wait_for no_strangers || not_ok "processes are left"
leave_kib 0
steps_attempt
is "$job_status" 105 "a restart without any room ends with status 105"
rm "$small/filler"
: >"$work/ref/signals.txt"
problems=()
steps_finish 1
conclude "with room the job goes on from the checkpoint before, and nothing is lost"
finish
