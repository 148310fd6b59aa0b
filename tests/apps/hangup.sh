#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Terminals whose other side has been closed, as mpirun has them when a process has ended: their readers see the end.
set -euo pipefail
. /src/tests/lib/cycle.sh

work=$(TMPDIR=$HOME scratch)
export BIVOUAC_STORE=$work/store
checkpoint_log=$work/checkpoint.log

mkdir "$work/job" "$work/ref"
touch "$work/ref/go"
(cd "$work/ref" && "$apps/hangup") >"$work/ref.out"
like "$(<"$work/ref.out")" "unread: last.*words.*unread: Input/output error" "without Bivouac there is an end"

job_start "$work/job" hangup -- "$apps/hangup"
require wait_for test -e "$work/job/ready"
ok "a checkpoint ends it" job_checkpoint --kill
job_wait
is "$job_status" 85 "with the status that says so"
touch "$work/job/go"
job_start "$work/job" hangup -- "$apps/hangup"
job_wait
is "$job_status" 0 "behind the restart it comes to its end"
same_file "$work/job.out" "$work/ref.out" "and has read the same"

# One that runs on has the same to read as if there had been no checkpoint.
mkdir "$work/on"
job_start "$work/on" on -- "$apps/hangup"
require wait_for test -e "$work/on/ready"
ok "a checkpoint in passing" job_checkpoint
touch "$work/on/go"
job_wait
is "$job_status" 0 "leaves a job that comes to its end"
same_file "$work/on.out" "$work/ref.out" "and reads the same"
remains_nothing "$work"
finish
