#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# Checkpoints while MPI starts and while it ends.
set -euo pipefail
. /src/tests/mpi/lib/mpi.sh

work=$(TMPDIR=$HOME scratch)
export BIVOUAC_STORE=$work/store
checkpoint_log=$work/checkpoint.log

# attempt NAME: starts or continues the job.
attempt()
{
    mkdir -p "$work/$1"
    job_start "$work/$1" "$1" -- "${launch[@]}" "$program" 60 2500
}

# caught_at NAME FILE MOST: the job, which has just been started, is checkpointed and ended within MOST ms behind the
# appearance of FILE. Fails if it was over before.
caught_at()
{
    local status=0

    wait_for test -e "$work/$1/$2" || return
    random_pause "$3"
    job_checkpoint --kill || status=$?
    job_wait
    ((status == 0))
}

# moments MPI NAME: one job that is caught in MPI_Init and then in MPI_Finalize; says how often in "caught".
moments()
{
    local name=$2

    launch_with "$1" 3
    program=$apps/halo.$1
    attempt "$name"
    if caught_at "$name" in-init 250; then
        caught=$((caught + 1))
        attempt "$name"
    fi
    if caught_at "$name" in-finalize 400; then
        caught_late=$((caught_late + 1))
        attempt "$name"
        job_wait
    fi
    is "$job_status" 0 "$name: it ends with status 0"
    same_file "$work/$name.out" "$work/ref.out" "$name: its output is that of an uninterrupted run"
    ((job_status == 0)) || tail -n 20 "$work/$name.err" | diag
}

for mpi in openmpi mpich; do
    launch_with "$mpi" 3
    mkdir "$work/ref.$mpi"
    (cd "$work/ref.$mpi" && exec "${launch[@]}" "$apps/halo.$mpi" 60 1500) >"$work/ref.out" </dev/null
    caught=0 caught_late=0
    for number in 1 2 3; do
        moments "$mpi" "$mpi-$number"
    done
    is "$caught" 3 "$mpi: all were caught in MPI_Init"
    is "$caught_late" 3 "$mpi: and in MPI_Finalize"
done
remains_nothing "$work"
logs_if_failed "$work"
finish
