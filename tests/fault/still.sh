#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A job that is ended by its checkpoint stands still from its freeze to its end: what it wrote behind it into a file that
# it had not open at the checkpoint, nobody would take back. So also when the supervisor is killed, or the init.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh
. /src/tests/fault/lib/faults.sh

work=$(TMPDIR=$HOME scratch)
export BIVOUAC_STORE=$work/store
checkpoint_log=$work/checkpoint.log
faults=$work/faults
mkdir "$faults" "$work/job"

counts()
{
    [[ -s $work/job/count ]]
}

size()
{
    stat -c %s "$work/job/count"
}

# ends VICTIM: the job is frozen, its checkpoint committed; VICTIM is killed, or nobody. Prints nothing where nothing is wrong.
ends()
{
    local frozen asked

    fault_at checkpoint-committed
    fault_arm
    rm -f "$work/job/count"
    job_start "$work/job" "still-$1-$round" -- dd if=/dev/zero of=count bs=1 status=none
    fault_none
    wait_for counts || problem "it does not run"
    bivouac checkpoint "$job_id" --kill >>"$checkpoint_log" 2>&1 &
    asked=$!
    wait_for fault_reached || problem "the point was not reached"
    frozen=$(size)
    if [[ $1 != nobody ]]; then
        kill -KILL "$(pid_of "$1")"
    fi
    fault_disarm
    job_wait
    wait "$asked" || :
    wait_for no_strangers || problem "processes are left: $(strangers | tr '\n' ';')"
    must "it wrote $(($(size) - frozen)) bytes behind its checkpoint" test "$(size)" = "$frozen"
}

for victim in supervisor init nobody; do
    problems=()
    for ((round = 1; round <= 5; round++)); do
        ends "$victim"
    done
    is "${problems[*]}" "" "killed: $victim"
done
fault_none
logs_if_failed "$work"
finish
