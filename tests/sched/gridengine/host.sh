#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# A host that is shut down, and one that fails.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/gridengine/lib/cluster.sh

cluster_up --attribute "min_cpu_interval 00:00:02"

script tick <<END
$apps/ticker \$1 0
exit 5
END

# --- emptied, and shut down -----------------------------------------------------------------------

job=$(submit alice down -ckpt bivouac -c sx /srv/scripts/tick 1000)
two=$(submit bob down -ckpt bivouac -c sx /srv/scripts/tick 1000)
require wait_for has_tick "$(output alice down)" 50
require wait_for has_tick "$(output bob down)" 50
ok "the queue of a host is suspended" qmod -sq "all.q@$(hostname)"
for user in alice bob; do
    ok "the job of $user leaves the host" wait_for -t "$gridengine_deadline" no_process_of $user
done
is "$(events alice "sge-$job.1" checkpointed)" 1 "it was saved"
execd_is_gone()
{
    ! pgrep -x sge_execd
}
ok "and the host is shut down" qconf -ke "$(hostname)"
require wait_for execd_is_gone
require /src/testbed/gridengine start-execd
require qmod -usq "all.q@$(hostname)"
ends_with "$job" 2 5 "when the host is there again, the job goes on to its end"
ends_with "$two" 2 5 "and so does the other user's"
each_tick_once "$(output alice down)" 1000 "each line is there once"
each_tick_once "$(output bob down)" 1000 "in both"

# --- shut down with its jobs ----------------------------------------------------------------------

# Grid Engine has them saved, and deletes them.
job=$(submit alice killed -ckpt bivouac -c sx /srv/scripts/tick 400)
require wait_for has_tick "$(output alice killed)" 50
ok "a host is shut down with its jobs" qconf -kej "$(hostname)"
ok "the job leaves it" wait_for -t "$gridengine_deadline" no_process_of alice
is "$(generations alice "sge-$job.1")" 1 "it was saved"
require wait_for execd_is_gone
require /src/testbed/gridengine start-execd
ok "for Grid Engine it is deleted" wait_for -t "$gridengine_deadline" is_over "$job"
later=$(submit alice later -b y bivouac restart "sge-$job.1")
ends_with "$later" 1 5 "but its owner can go on with it in another job"
each_tick_once "$(output alice killed)" 400 "each line is there once"

# --- a failure ------------------------------------------------------------------------------------

job=$(submit alice crash -ckpt bivouac -r y /srv/scripts/tick 1500)
require wait_for has_generations alice "sge-$job.1" 1
reached=$(ticks "$(output alice crash)" | wc -l)
require wait_for has_tick "$(output alice crash)" $((reached + 20))
# Everything at once, as in a power cut; in the order in which nobody can tell anybody.
mapfile -t victims < <(pgrep -x 'sge_execd|sge_shepherd'; pgrep -u alice)
kill -KILL "${victims[@]}"
require wait_for no_process_of alice
require /src/testbed/gridengine start-execd
ends_with "$job" 2 5 "a job whose host has failed goes on to its end"
each_tick_once "$(output alice crash)" 1500 "each line is there once"
is "$(events alice "sge-$job.1" restarted)" 1 "it went on from a periodic checkpoint"
finish_cluster
