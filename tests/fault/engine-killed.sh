#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The engine is killed at random moments of a dump, in the middle of its work on the job's memory:
# the job goes on, or ends saying that it must be run again; then that succeeds. SEED=N repeats.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
. /src/tests/fault/lib/steps.sh

rounds=12
steps_memory=48

# The engine has the job in its hands, or the request is over.
engine_is_there()
{
    pid_of criu || is_gone "$client"
}

# One checkpoint whose engine is killed up to 60 ms after it was started.
interrupted_checkpoint()
{
    local pid status=0

    bivouac checkpoint "$job_id" >>"$checkpoint_log" 2>&1 &
    client=$!
    {
        wait_for engine_is_there
        random_pause 60
        ! pid=$(pid_of criu) || kill -KILL "$pid" || :
        wait_for is_gone "$client" || problem "the request hangs"
        wait "$client" || status=$?
    } 2>/dev/null
    outcomes+=" $status"
    must "the request ended with status $status" one_of "$status" 0 106
}

# The job goes on; or it did not survive, which must be said, and it is run again.
live_on()
{
    local generation=$1 status

    if ! wait_for steps_are_or_ended "$2" || ! job_runs; then
        job_runs && problem "the job does not go on" && return
        steps_end
        outcomes+=" (died)"
        must "the attempt ended with status $job_status" one_of "$job_status" 106
        wait_for no_strangers || problem "processes are left"
        steps_start
        wait_for steps_are "$2" || problem "the job does not go on from generation $generation"
    fi
}

steps_reference
steps_new killed
outcomes=
steps_start
require steps_reach 10
require job_checkpoint
for ((round = 1; round <= rounds; round++)); do
    interrupted_checkpoint
    target=$((10 + round * 30 / rounds / 10 * 10))
    steps_open "$target"
    live_on "$(newest_generation)" "$target"
done
diag "how the requests ended:$outcomes"
steps_crash
steps_finish "$(newest_generation)"
conclude "the engine is killed $rounds times, and nothing is lost"
finish
