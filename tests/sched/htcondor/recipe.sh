#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# The recipe without an administrator (doc/user/htcondor.md), in a pool that knows nothing of Bivouac: on the host, and in an
# unprivileged container.
set -euo pipefail
. /src/tests/sched/htcondor/lib/pool.sh

pool_up --plain --conf 'USER_JOB_WRAPPER = /src/tests/sched/htcondor/lib/container'

# recipe NAME [LINE…]
recipe()
{
    local name=$1

    shift
    submit alice "$name" < <(
        printf '%s\n' 'executable = /usr/local/bin/bivouac' \
            "arguments = condor run -- ./until $(home_of alice)/$name/gate 7" \
            "transfer_input_files = $apps/until" \
            'should_transfer_files = YES' 'when_to_transfer_output = ON_EXIT_OR_EVICT' \
            'checkpoint_exit_code = 85' 'transfer_checkpoint_files = _bivouac.ckpt' \
            'on_exit_hold = ExitBySignal =?= false && ExitCode >= 100 && ExitCode <= 127 && BivouacProgramStatus =!= ExitCode' \
            'on_exit_hold_reason = BivouacFailed ?: "see standard error"' '+WantIOProxy = true' \
            '+BivouacInterval = 5' 'job_lease_duration = 20' 'request_disk = 50M' "$@"
    )
}

submit alice look <<'END'
executable = /bin/sh
transfer_executable = false
arguments = "-c 'pwd; grep -e ^CapEff -e ^NoNewPrivs /proc/self/status'"
+Container = true
END
recipe host
recipe contained '+Container = true'

require wait_event look 005
is "$(tr '\t\n' '  ' </home/alice/look/out)" "/srv CapEff: 0000000000000000 NoNewPrivs: 1 " \
    "in the container there is no privilege, nor a way to get one"
for name in host contained; do
    ok "$name: periodic checkpoints are uploaded" wait_checkpoint "$name"
    ok "$name: and the program goes on in the same sandbox" more_ticks "$name"
    is "$(events "$name" 004)" 0 "$name: nobody evicts it for that"
done
for name in host contained; do
    condor vacate_job "$name"
done
for name in host contained; do
    require wait_event "$name" 001 2
    ok "$name: vacated, it goes on in another sandbox" more_ticks "$name"
    kill -KILL "$(starter_of "$name")"
done
for name in host contained; do
    require wait_event "$name" 001 3
    ok "$name: its starter killed, it goes on" more_ticks "$name"
    gate "$name" end
done
for name in host contained; do
    whole "$name" 7
    is "$(sandboxes_of "$name" | wc -l)" 3 "$name: it has been in three sandboxes"
    files_are "$name" "err job.sub log out ticks"
done
pool_is_empty
finish
