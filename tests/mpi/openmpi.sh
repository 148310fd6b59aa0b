#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# A halo exchange on Open MPI: checkpointed, killed and restarted, with two ranks and with four.
set -euo pipefail
. /src/tests/mpi/lib/mpi.sh

for ranks in 2 4; do
    launch_with openmpi "$ranks"
    cycle_app "halo-$ranks" --cycles 6 -- "${launch[@]}" "$apps/halo.openmpi" 400
done
is "$(record_of halo-4 .network)" private "the network is the job's own"
is "$(record_of halo-4 .preload)" true "the library is loaded"
is "$(grep -ac 'starts MPI programs: the job gets a network of its own' "$cycle_work/job.err")" 1 "which is said once"
finish
