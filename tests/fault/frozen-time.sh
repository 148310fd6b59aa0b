#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How long a job was frozen is measured from when it really was: not while the engine is prepared, and if the job is
# ended, until the commit. A point at which everything waits makes each of these long.
# shellcheck disable=SC2016 # jq expands
set -euo pipefail
. /src/tests/fault/lib/steps.sh

waited=1.5

# frozen_case POINT FILTER TEXT: the checkpoint that ends the job waits at POINT; its result must be as FILTER says.
frozen_case()
{
    local client status=0

    case_number=$((case_number + 1))
    steps_new "$case_number-$1"
    fault_at "$1"
    fault_disarm
    steps_start "${@:4}"
    fault_none
    steps_reach 10 || problem "the job does not run"
    fault_arm
    bivouac checkpoint "$job_id" --kill --json >"$dir.json" 2>>"$checkpoint_log" &
    client=$!
    wait_for fault_reached || problem "the point was not reached"
    sleep "$waited"
    fault_disarm
    wait "$client" || status=$?
    steps_end
    must "the request ended with status $status" test "$status" = 0
    must "the attempt ended with status $job_status" one_of "$job_status" 85
    must "the result is $(cat "$dir.json")" jq -e --argjson waited "$waited" "$2" "$dir.json"
    must "the history tells another time" test "$(jq .frozen_s "$dir.json")" = \
        "$(jq 'select(.event == "checkpointed").frozen_s' "$BIVOUAC_STORE/jobs/$job_id/events.jsonl")"
    steps_finish 1
    conclude "$3"
}

steps_reference
before='.ended and .frozen_s > 0 and .total_s - .frozen_s >= $waited'
within='.ended and .frozen_s >= $waited and .total_s > .frozen_s'
frozen_case checkpoint-staged "$before" "the time before the writer is ready does not count"
frozen_case checkpoint-dump "$before" "nor does that before the engine is started"
frozen_case checkpoint-frozen "$within" "while files are captured the job is frozen"
frozen_case checkpoint-commit "$within" "and until the commit"
finish
