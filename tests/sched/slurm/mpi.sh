#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root alone net
# MPI programs as jobs of Slurm: checkpointed and ended on one node, they go on on another.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/slurm/lib/cluster.sh

cluster_up --nodes 2
home=/home/alice

script_of alice openmpi <<END
#!/bin/bash
#SBATCH --open-mode=append --requeue --ntasks=2
exec bivouac run -- mpirun.openmpi --oversubscribe -np 2 $apps/halo.openmpi \${STEPS:-600}
END
script_of alice mpich <<END
#!/bin/bash
#SBATCH --open-mode=append --requeue --ntasks=2
exec bivouac run -- mpiexec.mpich -np 2 $apps/halo.mpich \${STEPS:-600}
END

# steps_of FILE: what the program has printed.
steps_of()
{
    grep '^step ' "$1" || :
}

has_steps()
{
    (($(steps_of "$1" | wc -l) >= $2))
}

# Undisturbed, on a node, in Slurm.
reference=$(submit alice --job-name=reference openmpi)
require wait_end "$reference"
is "$(field "$reference" ExitCode)" 0:0 "a job ends"
is "$(steps_of "$home/reference.out" | wc -l)" 30 "with all of its output"

for mpi in openmpi mpich; do
    job=$(submit alice --job-name="$mpi" "$mpi")
    require wait_for -t "$slurm_deadline" has_steps "$home/$mpi.out" 5
    first=$(node_of "$job")
    ok "$mpi: it is checkpointed on $first, and ended" at "$first" alice bivouac checkpoint "slurm-$job" --kill
    # Not there again.
    scontrol update NodeName="$first" State=DRAIN Reason=test
    require wait_for -t "$slurm_deadline" field_is "$job" Restarts 1
    require wait_end "$job"
    isnt "$(node_of "$job")" "$first" "$mpi: it went on on another node"
    is "$(field "$job" ExitCode)" 0:0 "$mpi: it ends"
    is "$(steps_of "$home/$mpi.out")" "$(steps_of "$home/reference.out")" "$mpi: its output is that of an undisturbed run"
    is "$(events alice "slurm-$job" restarted)" 1 "$mpi: it went on from the checkpoint"
    scontrol update NodeName="$first" State=RESUME
done
for node in n1 n2; do
    ok "nothing is left on $node" wait_for no_process_of alice "$node"
done
finish_cluster
