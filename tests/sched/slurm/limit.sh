#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net timeout=560
# Time limits, real ones: Slurm's shortest is a minute. Many jobs share it.
# shellcheck disable=SC2016 # the job's shell expands
set -euo pipefail
. /src/tests/sched/slurm/lib/cluster.sh

plugin every=off
cluster_up --nodes 2 --cpus 64
home=/home/alice
slurm_deadline=480

script_of alice tick <<END
#!/bin/bash
$apps/ticker \$1 7
END
# A connection to the outside cannot be part of a checkpoint.
script_of alice blocked <<END
#!/bin/bash
$apps/ticker 500 0
nc -l -k 127.0.0.1 7777 >/dev/null &
until exec 3<>/dev/tcp/127.0.0.1/7777; do sleep 0.1; done 2>/dev/null
$apps/ticker 60000 0
END

long=$(submit alice --job-name=long --checkpoint --time=1 tick 16000)
extended=$(submit alice --job-name=extended --checkpoint --time=1 tick 8000)
blocked=$(submit alice --job-name=blocked --checkpoint --time=1 blocked)
signaled=$(submit alice --job-name=signaled --checkpoint --time=2 --signal=B:USR1@60 \
    --export=ALL,BIVOUAC_ON_SIGNAL=USR1=checkpoint-and-stop tick 9000)
many=$(submit alice --job-name=many --checkpoint --time=1 --array=1-20 --output=%x.%a.out tick 6500)
low=$(submit alice --job-name=low --checkpoint --nodelist=n2 --exclusive tick 3000)

require wait_for has_tick "$home/blocked.out" 100
ok "a job is checkpointed before it does what cannot be" bv_on alice checkpoint "slurm-$blocked"
require wait_state "$extended" RUNNING
scontrol update JobId="$extended" TimeLimit=3

# Preemption.
require wait_for has_tick "$home/low.out" 100
high=$(submit bob --job-name=high --partition=high --nodelist=n2 --exclusive --wrap 'sleep 3')
require wait_end "$high"
is "$(field "$high" JobState)" COMPLETED "a job with priority gets the node"
require wait_end "$low"
is "$(field "$low" ExitCode) $(field "$low" Restarts)" "7:0 1" "the preempted one is restarted once, and ends"
each_tick_once "$home/low.out" 3000 "with each line once"

require wait_end "$extended"
is "$(field "$extended" ExitCode) $(field "$extended" Restarts)" "7:0 0" "a limit that is moved is heeded"
each_tick_once "$home/extended.out" 8000 "the job was left alone"

require wait_end "$blocked"
is "$(field "$blocked" JobState) $(field "$blocked" Restarts)" "TIMEOUT 0" \
    "a job that cannot be checkpointed runs to its limit"
ok "the checkpoint before is intact" bv_on alice verify "slurm-$blocked"
is "$(generations alice "slurm-$blocked")" 1 "and there is no other"

require wait_end "$signaled"
is "$(field "$signaled" ExitCode) $(field "$signaled" Restarts)" "7:0 1" "sbatch --signal asks for a checkpoint, too"
each_tick_once "$home/signaled.out" 9000 "each line is there once"

restarts=0
for task in $(seq 20); do
    require wait_end "${many}_$task"
    if [[ $(field "${many}_$task" ExitCode) != 7:0 || $(ticks "$home/many.$task.out") != "$(all_ticks 6500)" ]]; then
        not_ok "task $task of twenty" "$home/many.$task.out"
    fi
    restarts=$((restarts + $(field "${many}_$task" Restarts)))
done
ok "twenty jobs that reach their limit in the same second are restarted, with each line once" test "$restarts" -ge 20

require wait_end "$long"
is "$(field "$long" JobState) $(field "$long" ExitCode)" "FAILED 7:0" "180 s of work under a limit of 60 s come to their end"
ok "over several attempts" test "$(field "$long" Restarts)" -ge 2
each_tick_once "$home/long.out" 16000 "each line is there once"
for node in n1 n2; do
    ok "nothing is left on $node" wait_for no_process_of alice "$node"
done
finish_cluster
