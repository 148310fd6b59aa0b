#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# checkpoint_destination: checkpoints go past the access point, to a place that a transfer plugin knows.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/htcondor/lib/pool.sh

destination=/srv/destination
install -d -m 1777 "$destination"
printf '* testbed:// cleanup_locally_mounted_checkpoint,-prefix,\\0,-path,%s/\n' "$destination" >/etc/condor/destinations
# shellcheck disable=SC2016 # HTCondor expands
pool_up --cpus 4 --conf 'FILETRANSFER_PLUGINS = $(FILETRANSFER_PLUGINS), /src/tests/sched/htcondor/lib/plugin' \
    --conf 'CHECKPOINT_DESTINATION_MAPFILE = /etc/condor/destinations'
for name in killed vacated; do
    submit_until alice "$name" 7 <<END
checkpoint_restart = true
+BivouacInterval = 5
checkpoint_destination = testbed://$name
job_lease_duration = 20
END
done
submit_until alice nowhere 7 <<END
checkpoint_restart = true
checkpoint_destination = elsewhere://here
END

# arrived NAME: how many checkpoints are at its destination.
arrived()
{
    find "$destination/$1" -name _bivouac.ckpt -size +0 2>/dev/null | wc -l
}

has_arrived()
{
    (($(arrived "$1") >= $2))
}

for name in killed vacated; do
    ok "$name: its checkpoints come to the destination" wait_for -t "$condor_deadline" has_arrived "$name" 2
    ok "$name: none to the access point" test ! -e "$(checkpoint_file "$name")"
done
more_ticks killed
kill -KILL "$(starter_of killed)"
more_ticks vacated
condor vacate_job vacated
for name in killed vacated; do
    require wait_event "$name" 001 2
    ok "$name: it goes on in another sandbox" more_ticks "$name"
    gate "$name" end
done
for name in killed vacated; do
    whole "$name" 7
    # HTCondor's own list of a checkpoint, _condor_checkpoint_MANIFEST.N, may come back to the user.
    is "$(find "$(dir_of "$name")" -name '*bivouac*')" "" "$name: the user gets nothing of Bivouac's"
done
has_nothing()
{
    (($(arrived killed) + $(arrived vacated) == 0))
}
ok "HTCondor removes what is at the destination" wait_for -t "$condor_deadline" has_nothing
is "$(attribute nowhere JobStatus) $(events nowhere 001)" "1 0" "a job whose destination no machine can reach waits for one that can"
condor rm nowhere
require wait_event nowhere 009
ok "no sandbox is left, and no checkpoint" wait_for no_sandboxes_nor_checkpoints
ok "nor a process" wait_for nothing_runs_of alice
finish
