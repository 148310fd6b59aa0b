#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Periodic checkpoints; what a crash after one leaves; the storm after bchkpnt without a period; bkill in the middle.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/lsf/lib/lsf.sh
needs_driver "minutes of a few seconds"

# crash ID: all of it dies at once, as its host would.
crash()
{
    kill -KILL -- "-$(jq -r .pgid "$LSF_SIM/jobs/$1.json")"
}

no_action()
{
    flock -n "$LSF_SIM/jobs/$job.action" true
}

export LSF_SIM_MINUTE=3
job=$(submit -k "$ckpt 1 method=bivouac" ./count 400 7 0.05)
require reached "$job" 5
ok "checkpoints are made by themselves" wait_for hist_has "$job" "Checkpoint succeeded" 2
is "$(hist_count "$job" "Checkpoint failed")" 0 "and none fails"
at=$(bpeek "$job" | grep -c '^tick ')
require reached "$job" $((at + 5))
crash "$job"
is "$(ended "$job")" "Exited by signal 9" "it crashes"
at=$(bpeek "$job" | grep -c '^tick ')
job=$(restart "$ckpt" "$job")
ok "restarted from the checkpoint, it comes further" reached "$job" $((at + 5))
is "$(ended "$job")" "Exited with exit code 7" "it ends as it should"
whole "what it had printed after the checkpoint is not there twice" "$job" 400

# bchkpnt without -p, and without a period: LSF asks as often as it gets an answer.
export LSF_SIM_MINUTE=60
job=$(submit -k "$ckpt method=bivouac" ./count 3000)
require reached "$job" 5
bchkpnt "$job" >/dev/null
ok "bchkpnt without a period makes LSF ask again and again" wait_for hist_has "$job" "Checkpoint succeeded" 4
is "$(generations "$ckpt/$job" | wc -l)" 1 "and one checkpoint is made"
bchkpnt -p 0 "$job" >/dev/null || : # in the middle of one, LSF refuses it and still knows the period
ok "until the period is 0" wait_for no_action
# One that a person asks for is made.
checkpoint "$job"
is "$last_checkpoint $(generations "$ckpt/$job" | wc -l)" "succeeded 2" "bchkpnt -p 0 makes another"

# bkill while a checkpoint is made.
bchkpnt -k -p 0 "$job" >/dev/null
bkill -s KILL "$job" >/dev/null
ended "$job" | diag
ok "after a bkill in the middle of a checkpoint nothing runs" no_strangers
ok "and every checkpoint that is there verifies" bivouac verify "lsf-$job" --store "$ckpt/$job/.bivouac"
finish_lsf
