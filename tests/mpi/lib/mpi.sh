# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests of this lane share: the launchers of both MPIs.
#
#   . /src/tests/mpi/lib/mpi.sh
#   launch_with openmpi 2
#   cycle_app halo -- "${launch[@]}" "$apps/halo.openmpi"

# shellcheck source=tests/lib/cycle.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/cycle.sh"

# Not those of the applications' lane.
# shellcheck disable=SC2034
data=/src/tests/mpi/data
export OMP_NUM_THREADS=1

# launch_with MPI RANKS: sets "launch". There are more ranks than CPUs.
# shellcheck disable=SC2034
launch_with()
{
    case $1 in
    openmpi) launch=(mpirun.openmpi --oversubscribe -np "$2") ;;
    mpich) launch=(mpiexec.mpich -np "$2") ;;
    *) require false "no MPI $1" ;;
    esac
}

# record_of ID FILTER: of the job's record.
record_of()
{
    bivouac show "$1" --json | jq -r ".record | $2"
}
