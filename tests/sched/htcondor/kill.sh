#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# Periodic checkpoints, and ends without notice: vacated at once, killed at the end of a short notice, the starter killed,
# the job removed. Each goes on from what the access point has, or leaves nothing.
set -euo pipefail
. /src/tests/sched/htcondor/lib/pool.sh

pool_up --cpus 8

# Without a lease of its own, a job whose starter has died waits for 40 minutes.
for name in fast starter; do
    submit_until alice "$name" 7 <<END
checkpoint_restart = true
+BivouacInterval = 5
job_lease_duration = 20
END
done
submit_until alice window 7 <<END
checkpoint_restart = true
+BivouacInterval = 5
job_max_vacate_time = 2
END
submit_until bob removed 7 <<END
checkpoint_restart = true
+BivouacInterval = 5
END

# --- periodic checkpoints: uploaded, and gone on with in the same sandbox ---------------------------------------------

for name in fast starter window removed; do
    require wait_checkpoint "$name"
done
before=$(checkpoint_now starter)
ok "the next checkpoint replaces the first one" wait_checkpoint starter "$before"
is "$(events starter 004) $(sandboxes_of starter | wc -l)" "0 1" "a periodic checkpoint evicts nobody"

# --- removed ----------------------------------------------------------------------------------------------------------

require wait_tick removed 20
condor rm removed
require wait_event removed 009
nothing_left bob
is "$(checkpoint_now removed)" "" "nor its checkpoint"

# --- no notice --------------------------------------------------------------------------------------------------------

# What comes behind the last checkpoint is lost, and done again.
more_ticks fast
condor vacate_job fast -fast
more_ticks starter
kill -KILL "$(starter_of starter)"

# --- a notice that is too short ---------------------------------------------------------------------------------------

gate window watch
require wait_says window watching
condor vacate_job window
require wait_event window 004
shut window watch

for name in fast starter window; do
    require wait_event "$name" 001 2
    ok "$name: it goes on" more_ticks "$name"
    like "$(running "$name" _condor_stderr)" 'bivouac: job condor-[0-9]+\.0 goes on from checkpoint [0-9]+' \
        "$name: from the last checkpoint that was uploaded"
    gate "$name" end
done
for name in fast starter window; do
    whole "$name" 7
    is "$(sandboxes_of "$name" | wc -l)" 2 "$name: it has been in two sandboxes"
    files_are "$name" "err job.sub log out ticks"
done
pool_is_empty
finish
