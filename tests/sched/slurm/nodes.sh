#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# From the login node: checkpoints, and jobs that move to other nodes. A node that dies.
# shellcheck disable=SC2016,SC2317 # the job's shell expands; functions are called by name
set -euo pipefail
. /src/tests/sched/slurm/lib/cluster.sh

plugin drain=checkpoint
cluster_up --nodes 3
home=/home/alice

# --- from the login node --------------------------------------------------------------------------

script_of alice tick <<END
#!/bin/bash
$apps/ticker \$1 7
END
script_of alice melt <<END
#!/bin/bash
#SBATCH --checkpoint
cd run && exec lmp -var steps 4000 -in /src/tests/apps/data/melt.in
END
on alice mkdir run reference
melt=$(submit alice --job-name=melt --nodelist=n1 --export=ALL,OMP_NUM_THREADS=1 melt)
crash=$(submit alice --job-name=crash --checkpoint --nodelist=n3 --export=ALL,BIVOUAC_LEASE=10s tick 3000)
killed=$(submit alice --job-name=killed --checkpoint --nodelist=n1 tick 1500)
array=$(submit alice --job-name=array --checkpoint --nodelist=n1 --array=5 --output=%x.%a.out tick 1500)

require wait_for has_tick "$home/killed.out" 50
like "$(bv_on alice checkpoint "slurm-$killed")" "^slurm-$killed@1: frozen .*committed" \
    "a job is checkpointed from the login node"
like "$(bv_on alice checkpoint "slurm-$killed" --kill --json | jq -r '"\(.job) \(.generation) \(.reason)"')" \
    "^slurm-$killed 2 request" "and ended with the next one"
require wait_for has_tick "$home/array.5.out" 50
like "$(bv_on alice checkpoint "slurm-${array}_5")" "^slurm-${array}_5@1: " "a task of an array is reached by its own name"
status=0
on bob bivouac checkpoint --store "$home/.bivouac" "slurm-$killed" >/dev/null 2>&1 || status=$?
isnt "$status" 0 "bob cannot do that with alice's job"
fails "what is no job of a scheduler cannot be moved" 2 bv_on alice migrate local-1
fails "nor one that is not there" 101 bv_on alice migrate slurm-4711

# --- there and back -------------------------------------------------------------------------------

lammps_steps()
{
    test "$(grep -c '^ITEM: TIMESTEP' "$home/run/melt.dump" 2>/dev/null)" -ge "$1"
}

require wait_for lammps_steps 2
like "$(bv_on alice migrate "slurm-$melt" --to n2)" "^slurm-$melt@1 went from n1 to n2, and was away for [0-9.]+ s" \
    "LAMMPS moves to another node"
is "$(node_of "$melt")" n2 "there it is"
require wait_for state_is "$melt" RUNNING
is "$(bv_on alice migrate "slurm-$melt" --to n1 --json | jq -r '"\(.from) \(.to)"')" "n2 n1" "and it moves back"
is "$(node_of "$melt")" n1 "to where it has begun"
like "$(grep '"checkpointed"' "$home/.bivouac/jobs/slurm-$melt/events.jsonl")" '"migrate"' \
    "the history says why it was checkpointed"

# --- a node dies ----------------------------------------------------------------------------------

require wait_for has_tick "$home/crash.out" 200
ok "a job is checkpointed" bv_on alice checkpoint "slurm-$crash"
reached=$(ticks "$home/crash.out" | wc -l)
require wait_for has_tick "$home/crash.out" $((reached + 100))
/src/testbed/slurm cut-node n3
scontrol update NodeName=n3 State=DOWN Reason=dead
require wait_for -t "$slurm_deadline" field_is "$crash" Restarts 1
scontrol update JobId="$crash" ReqNodeList=

# --- to any other ---------------------------------------------------------------------------------

any=$(submit alice --job-name=any --checkpoint --nodelist=n2 tick 1500)
require wait_for has_tick "$home/any.out" 50
is "$(bv_on alice migrate "slurm-$any" --json | jq -r '"\(.from) \(.to)"')" "n2 n1" \
    "where no node is named, a job moves to another that lives"

# --- all of them end as if nothing had been -------------------------------------------------------

(cd "$home/reference" && on alice sh -c 'cd reference && OMP_NUM_THREADS=1 lmp -var steps 4000 \
    -in /src/tests/apps/data/melt.in' >"$home/reference.out" 2>&1)
require wait_end "$melt"
is "$(field "$melt" JobState) $(field "$melt" Restarts)" "COMPLETED 2" "LAMMPS ends"
same_file "$home/run/melt.dump" "$home/reference/melt.dump" "its trajectory is the same as without a move"
steady()
{
    sed -E '/^(Loop time of|Performance:|Total wall time|.*CPU use with|  create_atoms CPU|bivouac: )/d' "$1"
}
is "$(steady "$home/run/log.lammps")" "$(steady "$home/reference/log.lammps")" "and so is its log"
require wait_end "$killed"
is "$(field "$killed" ExitCode) $(field "$killed" Restarts)" "7:0 1" "the job that was ended has gone on"
each_tick_once "$home/killed.out" 1500 "each line is there once"
require wait_end "${array}_5"
each_tick_once "$home/array.5.out" 1500 "so it is of the array's task"
require wait_end "$any"
is "$(field "$any" ExitCode) $(field "$any" Restarts)" "7:0 1" "the job that was moved anywhere has gone on"
each_tick_once "$home/any.out" 1500 "each line is there once"
require wait_end "$crash"
is "$(field "$crash" ExitCode) $(field "$crash" Restarts)" "7:0 1" "the job whose node died has gone on elsewhere"
isnt "$(node_of "$crash")" n3 "elsewhere"
each_tick_once "$home/crash.out" 3000 "each line is there once"
for node in n1 n2; do
    ok "nothing is left on $node" wait_for no_process_of alice "$node"
done
finish_cluster
