#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# What a user can say beside checkpoint_restart: the network, and where the store is while the job runs.
set -euo pipefail
. /src/tests/sched/htcondor/lib/pool.sh

pool_up --cpus 4
# Not in /var/tmp: each job of HTCondor has its own.
install -d -o alice -m 700 /srv/stores
submit_until alice said 7 <<END
checkpoint_restart = true
+BivouacInterval = 600
+BivouacNetwork = "private"
+BivouacStore = "/srv/stores"
END
submit_until bob network 7 <<END
checkpoint_restart = true
+BivouacNetwork = "both"
END
submit_until bob interval 7 <<END
checkpoint_restart = true
+BivouacInterval = "soon"
END

# record FILTER: what the store says of the job that runs.
record()
{
    find /srv/stores -name job.json -exec jq -r "$1" {} +
}

require wait_tick said 20
is "$(record .network)" private "+BivouacNetwork gives the job a network of its own"
is "$(find "$(sandbox_of said)" -maxdepth 1 -name .bivouac)" "" "+BivouacStore keeps the store out of the sandbox"
condor vacate_job said
require wait_event said 001 2
ok "the job goes on in another sandbox" more_ticks said
is "$(record .network)" private "with a network of its own again"
gate said end
whole said 7
is "$(find /srv/stores -name job.json)" "" "and leaves nothing in that store"

require wait_event network 012
like "$(attribute network HoldReason)" "Bivouac: .*network: write .*, not 'both'" "a network that there is not is the reason why a job is held"
require wait_event interval 012
like "$(attribute interval HoldReason)" 'Bivouac: .*write \+BivouacInterval = 3600' "so is an interval that is no number"
for name in network interval; do
    condor rm "$name"
    require wait_event "$name" 009
done
pool_is_empty
finish
