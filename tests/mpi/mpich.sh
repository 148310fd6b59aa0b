#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# The same on MPICH, with its own choice of how ranks talk.
set -euo pipefail
. /src/tests/mpi/lib/mpi.sh

for ranks in 2 4; do
    launch_with mpich "$ranks"
    cycle_app "halo-$ranks" --cycles 6 -- "${launch[@]}" "$apps/halo.mpich" 400
done
is "$(record_of halo-4 .network)" private "the network is the job's own"
finish
