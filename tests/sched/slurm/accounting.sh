#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# What Slurm knows of restored processes: accounting, cgroups, signals, scancel.
# shellcheck disable=SC2016,SC2317 # the job's shell expands; functions are called by name
set -euo pipefail
. /src/tests/sched/slurm/lib/cluster.sh

plugin every=off
cluster_up --nodes 2 --cgroup --accounting
home=/home/alice

script_of alice tick <<END
#!/bin/bash
$apps/ticker \$1 7
END
script_of alice traps <<END
#!/bin/bash
trap 'echo got USR2' USR2
setsid sleep 4711 &
$apps/ticker \$1 0
END
counted=$(submit alice --job-name=counted --checkpoint tick 1000)
cancelled=$(submit alice --job-name=cancelled --checkpoint traps 60000)
died=$(submit alice --job-name=died --checkpoint tick 60000)
spoiled=$(submit alice --job-name=spoiled --checkpoint tick 60000)

for name in counted cancelled died spoiled; do
    require wait_for has_tick "$home/$name.out" 50
    ok "$name: checkpointed, and ended" bv_on alice checkpoint "slurm-${!name}" --kill
done
# Nothing of the only checkpoint of this one can be used any more.
for file in "$home/.bivouac/jobs/slurm-$spoiled"/000001/*.bvp "$home/.bivouac/jobs/slurm-$spoiled"/000001/pack*; do
    [[ ! -f $file ]] || printf 'spoiled' | dd of="$file" bs=1 seek=100 conv=notrunc status=none
done
for job in "$cancelled" "$died"; do
    require wait_for -t "$slurm_deadline" field_is "$job" Restarts 1
    require wait_state "$job" RUNNING
done
goes_on()
{
    grep -q 'goes on from checkpoint' "$home/$1.out"
}
require wait_for -t "$slurm_deadline" goes_on cancelled
require wait_for -t "$slurm_deadline" goes_on died

node=$(node_of "$cancelled")
listed=$(at "$node" root scontrol listpids "$cancelled" | awk 'NR > 1 { print $1 }' | sort -n)
for pid in $(at "$node" root pgrep -u alice -x ticker) $(at "$node" root pgrep -u alice -f 'sleep 4711'); do
    if at "$node" root grep -q "job_$cancelled/" "/proc/$pid/cgroup"; then
        like " ${listed//$'\n'/ } " " $pid " "scontrol listpids has restored process $pid"
    fi
done
ok "it lists the job's processes" test "$(wc -l <<<"$listed")" -ge 4
ok "scancel takes it" on alice scancel "$cancelled"
require wait_end "$cancelled"
is "$(field "$cancelled" JobState)" CANCELLED "it is cancelled"
ok "a signal reaches the restored script" on alice scancel --batch --signal=TERM "$died"
require wait_end "$died"
is "$(field "$died" JobState) $(field "$died" ExitCode)" "FAILED 0:15" "which dies of it, and Slurm sees that"

require wait_end "$spoiled"
is "$(field "$spoiled" JobState) $(field "$spoiled" ExitCode)" "FAILED 104:0" "a checkpoint that does not verify is an error"
is "$(grep -c '^tick 1 of' "$home/spoiled.out")" 1 "and no silent start from the beginning"

require wait_end "$counted"
each_tick_once "$home/counted.out" 1000 "the job has each line once"
accounted()
{
    [[ $(sacct -D -n -P -X -j "$counted" -o state,exitcode | tr '\n' ' ') == "REQUEUED|85:0 FAILED|7:0 " ]]
}
ok "sacct has both attempts, and the program's exit status" wait_for accounted
for node in n1 n2; do
    ok "nothing is left on $node" wait_for no_process_of alice "$node"
done
finish_cluster
