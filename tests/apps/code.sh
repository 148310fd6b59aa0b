#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The code of many small processes is what it was, however often they are restarted: what CRIU has injected into them is
# not in it.
set -euo pipefail
. /src/tests/lib/cycle.sh

work=$(TMPDIR=$HOME scratch)
export BIVOUAC_STORE=$work/store
checkpoint_log=$work/checkpoint.log
mkdir "$work/job"

job_start "$work/job" code -- "$apps/code" 100
require wait_for test -e "$work/job/ready"
for ((cycle = 1; cycle <= 8; cycle++)); do
    require job_checkpoint --kill
    job_wait
    is "$job_status" 85 "checkpoint $cycle ends it"
    job_start "$work/job" code -- "$apps/code" 100
done
touch "$work/job/go"
job_wait
is "$job_status" 0 "it comes to its end"
is "$(<"$work/job.out")" "0 of 100 processes have other code now" "with the code that it had"
is "$(grep -v '^bivouac: ' "$work/job.err")" "" "and says nothing else"
remains_nothing "$work"
logs_if_failed "$work"
finish
