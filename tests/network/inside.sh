#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# Connections within a job: datagrams over IPv4, IPv6 and a unix socket, in the network of the host and in one of the job's
# own; and TCP with bytes that were not even sent when it was checkpointed.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

cycle_app udp -- "$apps/udp"
cycle_app udp --run-args "--network private" -- "$apps/udp"

for address in 127.0.0.1 ::1; do
    id=full-${#address}
    start_job "$id" --network private -- python3 -S /src/tests/network/lib/full.py "$address"
    require wait_for says "$id" ready
    ok "$id: a job with a full connection is checkpointed" bv checkpoint "$id" --kill
    job_wait
    ok "$id: it can be restored" bv verify --deep "$id"
    start_job "$id" -- python3
    finish_job "$id"
    is "$job_status" 5 "$id: it is, and goes on to its end"
    is "$(<"$work/$id.out")" $'ready\nall' "$id: all that was written has arrived"
done
finish_jobs
