#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# verify --deep, killed: nothing of them is left, the job and its checkpoint are as
# they were, and the next verify removes what lies about.
# shellcheck disable=SC2009,SC2317 # pgrep shows no arguments; functions are called by name
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

hold one
ok "a checkpoint" bv checkpoint one
require test -s "$BIVOUAC_STORE/jobs/one/000001/manifest"
before=$(cd "$BIVOUAC_STORE/jobs/one/000001" && sha256sum ./*)

scratch_directories()
{
    find "$BIVOUAC_STORE" -maxdepth 1 -name '.bivouac-verify*'
}

# The processes that verify has made: it, and everything below it.
verifying()
{
    ps -eo pid=,args= | grep -E '[b]ivouac verify|[b]ivouac-init.*verify' || :
}

none_verifies()
{
    [[ -z $(verifying) ]]
}

killed_at()
{
    local point=$1 pid

    rm -rf fault
    mkdir fault
    BIVOUAC_FAULT_POINT=$point BIVOUAC_FAULT_DIR=$work/fault bivouac verify --deep one >out 2>err &
    pid=$!
    require wait_for test -s fault/reached
    isnt "$(scratch_directories)" "" "$point: there is a scratch directory"
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || :
    ok "$point: nothing of a killed verify runs on" wait_for none_verifies
    is "$(status_of bv verify --deep one)" 0 "$point: the next one is good"
    is "$(scratch_directories)" "" "$point: and removes what was left"
}

killed_at try-unpacked
killed_at try-capsule
is "$(cd "$BIVOUAC_STORE/jobs/one/000001" && sha256sum ./*)" "$before" "the checkpoint is as it was"
is "$(state_of one)" running "the job runs"
finish_job one
is "$job_status" 5 "and ends as it should"
remains_nothing "$work"
finish
