#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A job that has more files open, in all its processes, than any one process may have: each is rolled back.
# shellcheck disable=SC2016,SC2317 # the job's shell expands; functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh

work_in "$(scratch)"
cd "$work"
mkdir job
ulimit -Sn 1024

# Two processes that append a line to 700 files each, and do so once more for each file "go.N".
program='
appender()
{
    for i in $(seq 700); do
        exec {fd}>>"$1.$i"
        all+=("$fd")
    done
    for round in 1 2 3; do
        until [[ -e go.$round ]]; do sleep 0.05; done
        for fd in "${all[@]}"; do echo "round $round" >&"$fd"; done
        echo "$1 $round"
    done
}
appender a & appender b &
wait'

# said ROUND: both have done it.
said()
{
    [[ $(grep -c " $1\$" job.out) == 2 ]]
}

touch job/go.1
job_start "$work/job" many -- bash -c "$program"
require wait_for said 1
ok "a job with 1400 open files is checkpointed" job_checkpoint
is "$(grep -c 'cannot be read' "$checkpoint_log" job.err | xargs)" "$checkpoint_log:0 job.err:0" "all of them can be put back"
touch job/go.2
require wait_for said 2
require job_crash
touch job/go.3
job_start "$work/job" many -- bash -c "$program"
job_wait
is "$job_status" 0 "it goes on to its end"
is "$(sort -u job/[ab].*)" "$(printf 'round %d\n' 1 2 3)" "each line is there"
is "$(cat job/[ab].* | wc -l)" 4200 "in each file, once"

# A limit that nobody can raise.
rm -r job job.out
mkdir job
touch job/go.1
ulimit -Hn 1024
job_start "$work/job" low -- bash -c "$program"
require wait_for said 1
status=0
bivouac checkpoint low 2>low.log || status=$?
is "$status" 109 "where that is the limit of all, the checkpoint is refused"
like "$(cat low.log)" 'has more files open than' "which is said"
touch job/go.2 job/go.3
job_wait
is "$(cat job/[ab].* | wc -l)" 4200 "and the job runs on"

remains_nothing "$work"
logs_if_failed "$work"
finish
