#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net timeout=560
# Periodic checkpoints, and what goes wrong around a job: a node that dies, a controller that is down, nodes that are
# drained, jobs that are suspended, a limit of memory.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/slurm/lib/cluster.sh

plugin drain=stop
# Heterogeneous jobs are for the backfill scheduler alone.
cluster_up --nodes 3 --conf SchedulerType=sched/backfill --conf SchedulerParameters=sched_interval=1,bf_interval=1 \
    --conf JobAcctGatherParams=OverMemoryKill --conf DefMemPerCPU=1000
home=/home/alice

script_of alice tick <<END
#!/bin/bash
$apps/ticker \$1 7
END
crash=$(submit alice --job-name=crash --checkpoint=5s --nodelist=n3 --export=ALL,BIVOUAC_LEASE=10s tick 6000)
drained=$(submit alice --job-name=drained --checkpoint=off --nodelist=n2 --export=ALL,BIVOUAC_SLURM_POLL=2 tick 4000)
suspended=$(submit alice --job-name=suspended --checkpoint=off --nodelist=n1 --time=2 \
    --export=ALL,BIVOUAC_SLURM_POLL=2 tick 9000)
script_of alice greedy <<END
#!/bin/bash
$apps/ticker 700 0
python3 -c 'import time; x = b"x" * (600 << 20); print("greedy", flush=True); time.sleep(300); print("survived")'
END
greedy=$(submit alice --job-name=greedy --checkpoint=off --nodelist=n1 --mem=300 greedy)
het=$(on alice sbatch --parsable --output=het.out --checkpoint --nodelist=n1 : --nodelist=n2 tick 10)

require wait_for has_tick "$home/greedy.out" 50
ok "a job is checkpointed before it takes more memory than it may" bv_on alice checkpoint "slurm-$greedy" --kill

# --- heterogeneous jobs ---------------------------------------------------------------------------

require wait_end "$het"
is "$(field "$het" ExitCode)" 115:0 "a heterogeneous job is refused"
like "$(cat "$home/het.out")" 'is a heterogeneous job, which cannot be checkpointed yet' "with the reason"

# --- suspended, and the end that is later then ----------------------------------------------------

require wait_for has_tick "$home/suspended.out" 50
end_before=$(date -d "$(field "$suspended" EndTime)" +%s)
scontrol suspend "$suspended"
require wait_state "$suspended" SUSPENDED

# --- a node that dies, with nothing but periodic checkpoints --------------------------------------

require wait_for has_generations alice "slurm-$crash" 2
is "$(events alice "slurm-$crash" checkpoint-failed)" 0 "no periodic checkpoint fails"
like "$(grep '"checkpointed"' "$home/.bivouac/jobs/slurm-$crash/events.jsonl" | head -n 1)" '"period"' \
    "they are made by the clock"
reached=$(ticks "$home/crash.out" | wc -l)
require wait_for has_tick "$home/crash.out" $((reached + 20))
# slurmd, its slurmstepd, the supervisor and the job: all die by SIGKILL at once.
/src/testbed/slurm cut-node n3
scontrol update NodeName=n3 State=DOWN Reason=dead
require wait_for -t "$slurm_deadline" field_is "$crash" Restarts 1
scontrol update JobId="$crash" ReqNodeList=

# --- a drained node -------------------------------------------------------------------------------

require wait_for has_tick "$home/drained.out" 50
scontrol update NodeName=n2 State=DRAIN Reason=test
require wait_for -t "$slurm_deadline" field_is "$drained" Restarts 1
like "$(grep '"checkpointed"' "$home/.bivouac/jobs/slurm-$drained/events.jsonl")" '"drain"' \
    "a job leaves a drained node with a checkpoint, as the site wants it"
scontrol update JobId="$drained" ReqNodeList=

# --- resumed --------------------------------------------------------------------------------------

silent=$(ticks "$home/suspended.out" | wc -l)
sleep 2
is "$(ticks "$home/suspended.out" | wc -l)" "$silent" "a suspended job does nothing"
# The controller is to be killed. It writes what it knows every few seconds, and what it has not written has not been.
touch /tmp/before
scontrol resume "$suspended"
require wait_state "$suspended" RUNNING
require wait_for has_tick "$home/suspended.out" $((silent + 50))
end_after=$(date -d "$(field "$suspended" EndTime)" +%s)
ok "its end is later by the time that it was suspended" test "$end_after" -gt "$((end_before + 2))"
told_later()
{
    at n1 alice bivouac list --json >/dev/null
    grep '"event":"deadline"' "$home/.bivouac/jobs/slurm-$suspended/events.jsonl" | tail -n 1 | jq -e ".at >= $end_after - 1"
}
ok "which its supervisor is told" wait_for told_later

# --- a controller that is down --------------------------------------------------------------------

# What is asked of the controller fails meanwhile; the deadline that was known is kept.
require wait_for test /var/spool/slurmctld/job_state -nt /tmp/before
controller=$(</run/slurmctld.pid)
kill -KILL "$controller"
told()
{
    grep -q 'controller does not answer' "$home/suspended.out" "$home/.bivouac/jobs/slurm-$suspended/events.jsonl"
}
ok "the user is told that the controller is down" wait_for -t "$slurm_deadline" told
reached=$(ticks "$home/suspended.out" | wc -l)
ok "and the job runs on" wait_for has_tick "$home/suspended.out" $((reached + 100))
slurmctld </dev/null >/dev/null 2>&1
require wait_for scontrol ping

# --- a limit of memory ----------------------------------------------------------------------------

require wait_end "$greedy"
is "$(field "$greedy" Restarts)" 1 "the job was restored"
like "$(cat "$home/greedy.out")" 'exceeded memory limit' "it took more memory than it may, and Slurm saw that"
unlike "$(cat "$home/greedy.out")" 'survived|goes on.*goes on' "it is ended, and not restored again"

# --- their ends -----------------------------------------------------------------------------------

require wait_end "$drained"
is "$(field "$drained" ExitCode) $(field "$drained" Restarts)" "7:0 1" "the job that left the node ends elsewhere"
isnt "$(node_of "$drained")" n2 "elsewhere"
each_tick_once "$home/drained.out" 4000 "with each line once"
require wait_end "$crash"
is "$(field "$crash" ExitCode) $(field "$crash" Restarts)" "7:0 1" "the job whose node died has gone on elsewhere"
isnt "$(node_of "$crash")" n3 "elsewhere"
each_tick_once "$home/crash.out" 6000 "from its last periodic checkpoint: no line is lost or there twice"
require wait_end "$suspended"
is "$(field "$suspended" ExitCode)" 7:0 "the job that was suspended ends"
each_tick_once "$home/suspended.out" 9000 "with each line once"
for node in n1 n2; do
    ok "nothing is left on $node" wait_for no_process_of alice "$node"
done
finish_cluster
