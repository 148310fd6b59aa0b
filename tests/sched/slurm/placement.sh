#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# A requeued job waits for a node whose CPU has what it may have used, instead of failing on another.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/slurm/lib/cluster.sh

plugin every=off
hook=/etc/slurm/place
cat >"$hook" <<'END'
#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
export PATH
exec bivouac slurm place
END
chmod 755 "$hook"
cluster_up --nodes 3 --conf "EpilogSlurmctld=$hook"
home=/home/alice

# n2 is of an older make.
features=$(bivouac slurm features)
machine=$(uname -m)
for node in n1 n3; do
    scontrol update NodeName="$node" AvailableFeatures="$features,bv-newest,fast" ActiveFeatures="$features,bv-newest,fast"
done
scontrol update NodeName=n2 AvailableFeatures="$features,fast,old" ActiveFeatures="$features,fast,old"
like "$features" "^bv-$machine" "a node knows its features"
like "$(at n2 root bivouac slurm features --conf)" "^NodeName=n2 Feature=bv-$machine" "and prints them for slurm.conf"

script_of alice tick <<END
#!/bin/bash
$apps/ticker \$1 7
END
waiting=$(submit alice --job-name=waiting --checkpoint --nodelist=n1 --constraint=fast tick 4000)
either=$(submit alice --job-name=either --checkpoint --nodelist=n1 --constraint='fast|old' tick 4000)
moved=$(submit alice --job-name=moved --checkpoint --nodelist=n3 tick 3000)
short=$(submit alice --job-name=short --nodelist=n1 --wrap true)

# --- migrate: it does not go where it cannot run ---------------------------------------------------

require wait_for has_tick "$home/waiting.out" 50
require wait_for has_tick "$home/either.out" 50
require wait_for has_tick "$home/moved.out" 50
fails "it is not moved to a node that lacks something" 109 bv_on alice migrate "slurm-$moved" --to n2
like "$(bv_on alice migrate "slurm-$moved" --to n2 2>&1 || :)" 'node n2 lacks what the job may have used on n3: bv-newest' \
    "which is named"
ok "the job has not been touched" state_is "$moved" RUNNING
is "$(generations alice "slurm-$moved")" 0 "nor checkpointed"

is "$(bv_on alice migrate "slurm-$moved" --json | jq -r '"\(.from) \(.to)"')" "n3 n1" \
    "a job that is moved anywhere goes where it can run"

# --- requeued -------------------------------------------------------------------------------------

for node in n1 n3; do
    scontrol update NodeName="$node" State=DRAIN Reason=test
done
ok "a job is checkpointed, and ended" bv_on alice checkpoint "slurm-$waiting" --kill
ok "so is one whose constraint is more than names" bv_on alice checkpoint "slurm-$either" --kill
constrained()
{
    [[ ",$(squeue -h -j "$1" -o %f | tr '&' ,)," == *,bv-newest,* ]]
}
ok "Slurm is told what the first needs" wait_for constrained "$waiting"
like "$(squeue -h -j "$waiting" -o %f)" "^fast&bv-$machine&" "beside what its user has asked for"
need=$(bv_on alice slurm features "slurm-$waiting")
is "$(squeue -h -j "$waiting" -o %f)" "fast&$need&bv-newest" "which is what its checkpoint needs, and more of that node"
is "$(bv_on alice slurm features "slurm-$waiting" --json | jq -r .constraint)" "$need" "as JSON, too"
scontrol update JobId="$waiting" ReqNodeList= StartTime=now
not_started()
{
    # longer than the controller needs to start what it can
    sleep 5
    state_is "$waiting" PENDING && [[ $(field "$waiting" Reason) != None ]]
}
ok "it waits, with n2 idle" not_started
scontrol update NodeName=n3 State=RESUME
require wait_state "$waiting" RUNNING
is "$(node_of "$waiting")" n3 "until a node comes that has it"

# --- what is left alone ---------------------------------------------------------------------------

is "$(field "$short" JobState)" COMPLETED "a job that is over is left alone"
is "$(field "$short" Features)" "(null)" "it has no constraint"
scontrol update NodeName=n1 State=RESUME
require wait_for -t "$slurm_deadline" field_is "$either" Restarts 1
require wait_state "$either" 'RUNNING|FAILED'
is "$(field "$either" Features)" "fast|old" "its constraint is as it was"

require wait_end "$waiting"
is "$(field "$waiting" ExitCode) $(field "$waiting" Restarts)" "7:0 1" "the job that has waited ends"
each_tick_once "$home/waiting.out" 4000 "each line is there once"
require wait_end "$either"
each_tick_once "$home/either.out" 4000 "so it is of the other"
require wait_end "$moved"
is "$(field "$moved" ExitCode)" 7:0 "the job that was moved ends"
each_tick_once "$home/moved.out" 3000 "with each line once"
finish_cluster
