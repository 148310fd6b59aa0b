#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# One line in the submit file: jobs of two users on one host are vacated, held and released, and go on in another sandbox.
set -euo pipefail
. /src/tests/sched/htcondor/lib/pool.sh

pool_up --cpus 8

submit_until alice one 7 <<END
checkpoint_restart = true
END
submit_until alice listed 7 <<END
checkpoint_restart = true
transfer_output_files = ticks
transfer_output_remaps = "ticks=ticks.kept"
END
submit_until bob other 3 <<END
checkpoint_restart = true
END
submit_until alice late 7 <<END
checkpoint_restart = true
END
submit alice plain <<END
executable = /bin/sh
transfer_executable = false
arguments = "-c 'echo job: \$BIVOUAC_JOB.; exit 4'"
END

# --- what is not asked for is left alone ------------------------------------------------------------------------------

require wait_event plain 005
is "$(ending_of plain)" "exit 4" "a job that does not ask for it ends as ever"
is "$(cat /home/alice/plain/out)" "job: ." "and is none of Bivouac's"
files_are plain "err job.sub log out"

# --- vacated ----------------------------------------------------------------------------------------------------------

for name in one listed other late; do
    require wait_tick "$name" 20
done
for name in one listed other; do
    condor vacate_job "$name"
done

# --- the program ends while it is to leave ----------------------------------------------------------------------------

# It cannot be checkpointed then, runs on, and ends by itself: HTCondor takes any end for an eviction.
gate late watch
require wait_says late watching
condor vacate_job late
require wait_says late 'bivouac: .*no checkpoint of job condor-.*SIGTERM'
gate late end
whole late 7
is "$(events late 004) $(events late 001)" "1 2" "late: HTCondor has taken its end for an eviction, and starts it again"

# --- held and released ------------------------------------------------------------------------------------------------

for name in one listed other; do
    require wait_event "$name" 001 2
    ok "$name: the checkpoint goes to the next sandbox" more_ticks "$name"
done
like "$(running one _condor_stderr)" 'bivouac: job condor-[0-9]+\.0 goes on from checkpoint 1' "one: it is restored, and says so"
sandbox=$(sandbox_of one)
condor hold one
require wait_event one 012
# Released while its starter still works, a job waits for its next match for minutes.
require wait_for -t "$condor_deadline" no_sandbox "$sandbox"
ok "one: held, it has its checkpoint at the access point" test -s "$(checkpoint_file one)"
condor release one
require wait_event one 001 3
ok "one: released, it goes on" more_ticks one

# --- all of them end as if nothing had been ---------------------------------------------------------------------------

for name in one listed other; do
    gate "$name" end
done
whole one 7
is "$(sandboxes_of one | wc -l)" 3 "one: it has been in three sandboxes"
whole listed 7
whole other 3
files_are one "err job.sub log out ticks"
files_are other "err job.sub log out ticks"
files_are listed "err job.sub log out ticks.kept"
is "$(cat /home/alice/one/ticks)" "$(grep '^tick' /home/alice/one/out)" "its file, too, is the one of a single run"
is "$(cat /home/alice/listed/ticks.kept)" "$(grep '^tick' /home/alice/listed/out)" "and the one that was asked for"
is "$(stat -c %U /home/bob/other/ticks)" bob "each user's files are that user's"
like "$(attribute one BivouacCpuSeconds)" '^[0-9.]+$' "the time that it has used is in its ad"
like "$(attribute one BivouacPeakMemoryKiB)" '^[1-9][0-9]*$' "and its memory"
is "$(attribute one BivouacCheckpoints)" 2 "and how many checkpoints there were"

pool_is_empty
finish
