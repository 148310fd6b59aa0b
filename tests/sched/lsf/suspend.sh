#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bstop, bresume and bkill, on a job and on a restarted one; a suspended job is checkpointed and stays suspended; bmig.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/lsf/lib/lsf.sh
needs_driver "it looks at the processes, which LSF has on any host"

# Processes of the job, within its capsule, that are not stopped.
running()
{
    ps -eo stat=,comm= | awk '$1 !~ /^[TZ]/ && ($2 == "count" || $2 == "sleep") { n++ } END { exit !n }'
}

not_running()
{
    ! running
}

# suspend_and_resume NAME: twice in a row, since the second is what the first leaves.
suspend_and_resume()
{
    local ticks round

    for round in 1 2; do
        bstop "$job" >/dev/null
        ok "$1: bstop $round stops all of it" wait_for not_running
        ticks=$(bpeek "$job" | wc -l)
        bresume "$job" >/dev/null
        ok "$1: bresume $round continues it" wait_for running
        ok "$1: its output goes on" reached "$job" $((ticks + 2))
    done
}

job=$(submit -k "$ckpt method=bivouac" ./count 3000)
require reached "$job" 5
suspend_and_resume "a job"
LSF_SIM_PARALLEL=1 suspend_and_resume "with SIGTSTP"

bstop "$job" >/dev/null
require wait_for not_running
checkpoint "$job"
is "$last_checkpoint" succeeded "a suspended job is checkpointed"
ok "and is suspended afterwards" wait_for not_running
bresume "$job" >/dev/null
ok "until it is resumed" wait_for running

checkpoint "$job" -k
require test "$(ended "$job")" = "Exited by signal 9"
ticks=$(bpeek "$job" | grep -c '^tick ')
job=$(restart "$ckpt" "$job")
require reached "$job" $((ticks + 3))
suspend_and_resume "a restarted job"
bkill "$job" >/dev/null
like "$(ended "$job")" '^Exited (with exit code (130|143)|by signal)' "bkill ends a restarted job"

job=$(submit -k "$ckpt method=bivouac" ./count 80 7)
require reached "$job" 5
bmig "$job" >/dev/null
ok "bmig: it is checkpointed and killed" wait_for hist_has "$job" "Exited by signal 9"
ok "bmig: it starts again under its id" wait_for hist_has "$job" "Starting" 2
ok "bmig: and goes on" reached "$job" 15
ok "bmig: it ends" wait_for hist_has "$job" "Exited with exit code 7"
whole "bmig: every line is there once" "$job" 80
finish_lsf
