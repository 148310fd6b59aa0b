#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two copies of one checkpoint alive at once, each in its own directory; and a restart at another path.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh

work_in "$(scratch)"
cd "$work"

# Both the program's files and its standard output lie in its working directory.
mkdir ref job
(cd ref && "$apps/writer" 400 >out)

start_in()
{
    (cd "$1" && shift && exec env --default-signal bivouac "$@") </dev/null >>"$work/$job_id.out" 2>>"$work/$job_id.err" &
    job_pid=$!
}

writers()
{
    pgrep -xc writer
}

both_run()
{
    [[ $(writers) == 2 ]]
}

# Its standard output goes to the file "out" of its own directory.
job_id=original
(cd job && exec env --default-signal bivouac run --job original -- "$apps/writer" 400) \
    </dev/null >>job/out 2>>original.err &
job_pid=$!
require wait_for lines_at_least job/out 4
ok "the job is checkpointed and killed" job_checkpoint --kill
job_wait
is "$job_status" 85 "it ended by the checkpoint"

generation=$(jq -r 'select(.event == "checkpointed") | .generation' store/jobs/original/events.jsonl)
cp -a job first
cp -a job second
cp -a job moved

job_id=first
start_in "$work" restart "original@$generation" --job first --chdir "$work/first"
first_pid=$job_pid
job_id=second
start_in "$work" restart "original@$generation" --job second --chdir "$work/second"
second_pid=$job_pid
ok "both copies are alive at once" wait_for both_run
job_id=first job_pid=$first_pid
ok "one of them is checkpointed and goes on" job_checkpoint
job_wait
is "$job_status" 0 "the first copy ends"
job_id=second job_pid=$second_pid
job_wait
is "$job_status" 0 "the second copy ends"
ok "the first copy has the files of an uninterrupted run" diff -r ref first
ok "the second copy has the files of an uninterrupted run" diff -r ref second

# Elsewhere, with the place where it began gone.
mv job gone
job_id=original
start_in "$work" restart original --chdir "$work/moved"
job_wait
is "$job_status" 0 "restarted at another path, the job ends"
ok "it has the files of an uninterrupted run" diff -r ref moved
ok "nothing was made where it began" test ! -e job

remains_nothing "$work"
logs_if_failed "$work"
finish
