#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# A checkpoint needs the CPU features of where it was made: the job waits for a machine that has them.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/htcondor/lib/pool.sh

# Both slots have one CPU, so one of them is said to lack nearly all of it.
install -m 755 /dev/stdin /etc/condor/features <<'END'
#!/bin/sh
bivouac condor features
printf '%s\n' 'SlotMergeConstraint = SlotId == 1' '- able'
printf '%s\n' 'BivouacCpu = "bv-x86_64"' 'SlotMergeConstraint = SlotId == 2' '- poor'
END
pool_up --slots 2 --conf 'STARTD_CRON_BIVOUAC_EXECUTABLE = /etc/condor/features'

rejected_since()
{
    local last

    last=$(attribute tick LastRejMatchTime)
    [[ $last =~ ^[0-9]+$ ]] && ((last > $1))
}

is "$(condor_status -constraint 'SlotID == 2' -af BivouacCpu)" bv-x86_64 "the second slot lacks features"
like "$(condor_status -constraint 'SlotID == 1' -af BivouacCpu)" '^bv-[a-z0-9_]+( bv-[a-z0-9_]+)+$' "the first one advertises its own"

submit_until alice tick 7 <<END
checkpoint_restart = true
rank = SlotID == 1
END
require wait_tick tick 20
is "$(attribute tick RemoteHost | sed 's/@.*//')" slot1 "the job starts on the first slot"
sandbox=$(sandbox_of tick)
condor hold tick
require wait_event tick 012
require wait_for -t "$condor_deadline" no_sandbox "$sandbox"
like "$(attribute tick BivouacCpuNeeds)" '^bv-[a-z0-9_]+( bv-[a-z0-9_]+)+$' "its ad says what its checkpoint needs"

# Somebody else is on the only slot that is able.
submit_until bob blocker 0 <<END
requirements = SlotID == 1
END
require wait_event blocker 001
condor release tick
now=$(date +%s)
ok "the free slot is refused" wait_for -t "$condor_deadline" rejected_since "$now"
is "$(attribute tick JobStatus)" 1 "and the job waits"
gate blocker end
require wait_event blocker 005
require wait_event tick 001 2
is "$(attribute tick RemoteHost | sed 's/@.*//')" slot1 "until the slot is free on which it can go on"
gate tick end
whole tick 7
pool_is_empty
finish
