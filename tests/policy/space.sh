#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# Periodic checkpoints reach the end of the disk: the job goes on, and the history says what happened.
set -euo pipefail

. /src/tests/lib/small-disk.sh
small_disk 12m
. /src/tests/policy/lib/requeue.sh
export BIVOUAC_STORE=$small/store

# What it has of memory is new each time, and more each time.
# shellcheck disable=SC2016 # the job expands
start_job full --every 1s -- bash -c 'i=0 all=
while ((i++ < 100)); do
    all+=$(head -c 400000 /dev/urandom | base64 -w 0)
    echo "line $i"
    sleep 0.1
done
exit 5'
require wait_for -t 60 events_at_least full checkpoint-failed 2
ok "the job goes on" job_runs
job_wait
is "$job_status" 5 "to its end"
is "$(wc -l <full.out | tr -d ' ')" 100 "with all of its output"
ok "there were checkpoints before" test "$(count_events full checkpointed)" -ge 1
like "$(events_of full 'select(.event == "checkpoint-failed") | [.why, .code] | join(" ")' | sort -u)" \
    '^period BV_ENOSPACE$' "the history says what failed, and why"
like "$(cat full.err)" 'no checkpoint of job full \(period\): .*( are free|No space left)' "and so does standard error"
ok "not again and again" test "$(count_events full checkpoint-failed)" -le 8
ok "the last good one is still good" bv verify full
finish_jobs
