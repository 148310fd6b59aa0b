#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# Jobs that leave the host and go on: suspended, rescheduled, saved by hand, and when the host goes down. Their output
# has each line once, their exit status is the script's own.
# shellcheck disable=SC2016 # the job's shell expands
set -euo pipefail
. /src/tests/sched/gridengine/lib/cluster.sh

cluster_up --slots 12 --attribute "min_cpu_interval 00:00:03"

script tick <<END
#!/bin/bash
echo scratch >"\$TMPDIR/file"
$apps/ticker \$1 0
echo "second line: \$? \$(cat "\$TMPDIR/file")"
exit \${2:-5}
END
script array <<END
#!/bin/bash
$apps/ticker \$1 0
exit \$((10 + SGE_TASK_ID))
END

# Of those with -c sx checkpoints are made only when they are asked to leave.
suspended=$(submit alice suspended -ckpt bivouac -c sx /srv/scripts/tick 1500)
periodic=$(submit alice periodic -ckpt bivouac -r y /srv/scripts/tick 2000)
bare=$(submit alice bare -r y /srv/scripts/tick 900)
array=$(on alice qsub -terse -cwd -j y -N array -o 'array.$TASK_ID.out' -ckpt bivouac -c sxr -t 1-2 -r y \
    /srv/scripts/array 1500 | sed 's/\..*//')
byhand=$(submit alice byhand -ckpt bivouac -c sx /srv/scripts/tick 1200)
other=$(submit bob other -ckpt bivouac -c sx /srv/scripts/tick 1500 6)

# 1. Suspended: saved, ended, and in the queue again.
for job in suspended other; do
    user=alice
    [[ $job == suspended ]] || user=bob
    require wait_for has_tick "$(output $user $job)" 50
done
ok "jobs are suspended" qmod -sj "$suspended" "$other"

require wait_for has_tick "$(output alice bare)" 20
ok "a job without -ckpt is rescheduled" qmod -rj "$bare"

# 2. Tasks of an array, each by itself.
for task in 1 2; do
    require wait_for has_tick "/home/alice/array.$task.out" 30
done
ok "a task of an array is suspended" qmod -sj "$array.1"
ok "the other is checkpointed" bv_on alice checkpoint "sge-$array.2"
ok "and rescheduled" qmod -rj "$array.2"

# 3. Saved by a user.
require wait_for has_tick "$(output alice byhand)" 50
ok "a job is saved and ended by hand" bv_on alice checkpoint "sge-$byhand.1" --kill

# 4. Killed without notice: its last periodic checkpoint counts.
require wait_for has_generations alice "sge-$periodic.1" 1
reached=$(ticks "$(output alice periodic)" | wc -l)
require wait_for has_tick "$(output alice periodic)" $((reached + 20))
ok "a job with a periodic checkpoint is rescheduled" qmod -rj "$periodic"

# 5. All of them end as if nothing had been.
ends_with "$suspended" 2 5 "the suspended job ends in its second run, with the script's status"
is "$(runs "$suspended" | head -n 1)" "24 99" "for Grid Engine, the first run was a migration"
each_tick_once "$(output alice suspended)" 1500 "each line is there once"
is "$(grep -c '^second line: 0 scratch$' "$(output alice suspended)")" 1 \
    "the script went on in the middle, and TMPDIR has what it had"
is "$(events alice "sge-$suspended.1" restarted) $(events alice "sge-$suspended.1" checkpointed)" "1 1" \
    "it was restarted from the one checkpoint that there was"
like "$(<"/home/alice/.bivouac/jobs/sge-$suspended.1/events.jsonl")" '"why":"suspend"' "which says why it was made"
like "$(bv_on alice history "sge-$suspended.1")" "sge job $suspended.1" "the history names the job of Grid Engine"

ends_with "$other" 2 6 "another user's job ends, too"
each_tick_once "$(output bob other)" 1500 "each line is there once"

for task in 1 2; do
    ends_with "$array" 2 $((10 + task)) "task $task of the array ends with its own status" "$task"
    each_tick_once "/home/alice/array.$task.out" 1500 "each line of task $task is there once"
    is "$(events alice "sge-$array.$task" restarted)" 1 "task $task went on from its own checkpoint"
done

ends_with "$byhand" 2 5 "the job that was saved by hand was run again by Grid Engine"
is "$(runs "$byhand" | head -n 1 | cut -d' ' -f2)" 99 "by exit status 99"
each_tick_once "$(output alice byhand)" 1200 "each line is there once"

ends_with "$periodic" 2 5 "the rescheduled job ends"
each_tick_once "$(output alice periodic)" 2000 "each line is there once, though it was ahead of its checkpoint"
is "$(events alice "sge-$periodic.1" restarted)" 1 "it went on from a checkpoint"
like "$(grep '"checkpointed"' "/home/alice/.bivouac/jobs/sge-$periodic.1/events.jsonl" | head -n 1)" '"period"' \
    "which was a periodic one"
is "$(events alice "sge-$periodic.1" checkpoint-failed)" 0 "none of these failed"

# What each_tick_once looks for is there without Bivouac.
ends_with "$bare" 2 5 "the job without -ckpt ends"
isnt "$(ticks "$(output alice bare)")" "$(all_ticks 900)" "but it was run from its beginning, and has lines twice"

for user in alice bob; do
    ok "nothing of $user is left" wait_for no_process_of $user
done
finish_cluster
