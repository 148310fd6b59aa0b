#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the engine sends are references to the job's pages: the job must stay frozen until they are
# copied, however slow the writer is.
set -euo pipefail
. /src/tests/lib/cycle.sh

work=$(scratch)
export BIVOUAC_STORE=$work/store
dir=$work/job
faults=$work/faults
mkdir "$dir" "$faults"

BIVOUAC_FAULT_POINT=checkpoint-receive BIVOUAC_FAULT_DIR=$faults job_start "$dir" torn -- "$apps/torn"
job_checkpoint &
first=$!
wait_for test -e "$faults/reached" || not_ok "the writer receives memory"
# Time enough for an engine that does not wait to let the job run on.
sleep 1
touch "$faults/continue"
status=0
wait "$first" || status=$?
is "$status" 0 "a checkpoint whose writer was slow is committed"
job_crash || :

touch "$dir/enough"
job_start "$dir" torn -- "$apps/torn"
job_wait
is "$job_status" 0 "no page of it is newer than the rest"
diag <"$dir.err"
remains_nothing "$work"
finish
