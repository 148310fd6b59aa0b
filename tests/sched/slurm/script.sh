#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root alone net
# One line in a batch script, and no plugin: jobs are checkpointed, requeued, and go on.
# shellcheck disable=SC2016 # the job's shell expands
set -euo pipefail
. /src/tests/sched/slurm/lib/cluster.sh

cluster_up --nodes 2
home=/home/alice

script_of alice tick <<END
#!/bin/bash
#SBATCH --open-mode=append --requeue
exec bivouac run -- $apps/ticker \${STEPS:-1500} 7
END
script_of alice steps <<END
#!/bin/bash
#SBATCH --open-mode=append --requeue --ntasks=2
srun -n2 --output=steps.%s.%t.out --open-mode=append bivouac run -- $apps/ticker 100 0
echo first step: \$?
srun -n2 --output=steps.%s.%t.out --open-mode=append bivouac run -- $apps/ticker 1500 0
status=\$?
echo second step: \$status
exit \$status
END
script_of alice inner <<END
#!/bin/bash
exec bivouac run -- sh -c 'echo "outer \$BIVOUAC_JOB"; exec bivouac run -- sh -c "echo inner \\\$BIVOUAC_JOB; exit 4"'
END

job=$(submit alice --job-name=tick tick)
requeued=$(submit alice --job-name=requeued tick)
array=$(submit alice --job-name=array --array=3,7 --output=%x.%a.out tick)
steps=$(submit alice --job-name=steps steps)
wide=$(submit alice --job-name=wide --nodes=2 tick)
inner=$(submit alice --job-name=inner inner)
short=$(submit alice --job-name=short --export=ALL,STEPS=1 tick)
id=slurm-$job

# 1. Checkpointed and ended on the node.
require wait_for has_tick "$home/tick.out" 100
node=$(node_of "$job")
ok "a checkpoint is made on the node" at "$node" alice bivouac checkpoint "$id"
ok "and one that ends the attempt" at "$node" alice bivouac checkpoint "$id" --kill

# 2. Requeued by somebody: everything gets SIGTERM at once, so the checkpoint before is what counts.
require wait_for has_tick "$home/requeued.out" 100
ok "another job is checkpointed" at "$(node_of "$requeued")" alice bivouac checkpoint "slurm-$requeued"
scontrol requeue "$requeued"

# 3. Tasks of an array.
for task in 3 7; do
    require wait_for has_tick "$home/array.$task.out" 50
    ok "task $task of an array is checkpointed by the array's number" \
        at "$(node_of "${array}_$task")" alice bivouac checkpoint "slurm-${array}_$task" --kill
done

# 4. Tasks of a step. The first step is over when the job is requeued.
for task in 0 1; do
    require wait_for has_tick "$home/steps.1.$task.out" 50
    ok "task $task of a step is checkpointed" \
        at "$(node_of "$steps")" alice bivouac checkpoint "slurm-$steps.1.$task" --kill
done

# 5. What cannot be checkpointed.
require wait_end "$wide"
is "$(field "$wide" ExitCode)" 115:0 "a job of two nodes is refused"
like "$(cat "$home/wide.out")" '^bivouac: job slurm-[0-9]+ has 2 nodes, and only jobs of one node' "with the reason"

# 6. A job within itself.
require wait_end "$inner"
is "$(field "$inner" ExitCode)" 4:0 "within a job, bivouac run is nothing but its command"
is "$(cat "$home/inner.out")" "$(printf 'outer slurm-%d\ninner slurm-%d' "$inner" "$inner")" "and a part of the same job"

# 7. An ended job that Slurm starts again.
require wait_end "$short"
is "$(field "$short" ExitCode)" 7:0 "a short job ends"
scontrol requeue "$short"
require wait_for -t "$slurm_deadline" field_is "$short" Restarts 1
require wait_end "$short"
is "$(field "$short" ExitCode)" 7:0 "requeued, it ends with the same status"
each_tick_once "$home/short.out" 1 "and does nothing twice"
like "$(cat "$home/short.out")" 'has already ended with exit status 7' "which it says"

# 8. All of them end as if nothing had been.
require wait_end "$job"
is "$(field "$job" JobState) $(field "$job" ExitCode) $(field "$job" Restarts)" "FAILED 7:0 1" \
    "the job ends with the status of the program, restarted once"
each_tick_once "$home/tick.out" 1500 "each line of its output is there once"
is "$(events alice "$id" restarted)" 1 "it went on from the checkpoint"
require wait_end "$requeued"
is "$(field "$requeued" ExitCode) $(field "$requeued" Restarts)" "7:0 1" "the requeued job ends, too"
each_tick_once "$home/requeued.out" 1500 "each line of its output is there once"
is "$(events alice "slurm-$requeued" restarted)" 1 "it went on from the checkpoint"
for task in 3 7; do
    require wait_end "${array}_$task"
    is "$(field "${array}_$task" ExitCode)" 7:0 "task $task of the array ends"
    each_tick_once "$home/array.$task.out" 1500 "each line of task $task is there once"
done
require wait_end "$steps"
is "$(field "$steps" JobState) $(field "$steps" Restarts)" "COMPLETED 1" "the job with steps ends"
for task in 0 1; do
    each_tick_once "$home/steps.0.$task.out" 100 "task $task of the first step has run once"
    each_tick_once "$home/steps.1.$task.out" 1500 "task $task of the second went on from its checkpoint"
done
like "$(cat "$home/steps.out")" 'first step: 0.*second step: 85.*first step: 0.*second step: 0' \
    "the script is run again, and its first step is not"
for node in n1 n2; do
    ok "nothing is left on $node" wait_for no_process_of alice "$node"
done
finish_cluster
