#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# Checkpoints in the last moments of a program of Open MPI, behind MPI_Finalize: processes end, their connections and
# terminals are closed, and mpirun takes note of it. A library makes these moments last half a second.
set -euo pipefail
. /src/tests/mpi/lib/mpi.sh

work=$(TMPDIR=$HOME scratch)
export BIVOUAC_STORE=$work/store
checkpoint_log=$work/checkpoint.log
launch_with openmpi 3

# attempt NAME: starts or continues the job.
attempt()
{
    mkdir -p "$work/$1"
    job_start "$work/$1" "$1" --env "LD_PRELOAD=$apps/linger.so" -- "${launch[@]}" "$apps/halo.openmpi" 20 10
}

mkdir "$work/ref"
(cd "$work/ref" && exec "${launch[@]}" "$apps/halo.openmpi" 20 10) >"$work/ref.out" </dev/null
caught=0
for pause in 0 150 300 400 450; do
    name=late-$pause
    attempt "$name"
    require wait_for test -e "$work/$name/in-finalize"
    sleep "0.$(printf %03d "$pause")"
    status=0
    job_checkpoint --kill || status=$?
    job_wait
    if ((status == 0)); then
        caught=$((caught + 1))
        attempt "$name"
        job_wait
    fi
    is "$job_status" 0 "$name: it ends with status 0"
    same_file "$work/$name.out" "$work/ref.out" "$name: its output is that of an uninterrupted run"
done
ok "most of them were caught before the end ($caught)" test "$caught" -ge 2
remains_nothing "$work"
logs_if_failed "$work"
finish
