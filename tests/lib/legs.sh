# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A job that goes from host to host: the script calls itself there, as "SCRIPT --leg DIR WAY COMMAND…", where WAY is "kill"
# for a checkpoint that ends it, or "end". Behind tests/lib/cycle.sh.

# The part of the job that runs on one host, as alice: leg DIR WAY PROGRAM. Its status is that of bivouac run.
leg()
{
    local dir=$1 way=$2 lines=0

    shift 2
    export BIVOUAC_STORE=$dir.store
    # shellcheck disable=SC2034
    checkpoint_log=$dir.checkpoint
    [[ ! -e $dir.out ]] || lines=$(wc -l <"$dir.out")
    job_start "$dir" travels -- "$@"
    if [[ $way == kill ]]; then
        wait_for lines_at_least "$dir.out" $((lines + 2)) || return
        job_checkpoint --kill || return
    fi
    job_wait
    # shellcheck disable=SC2154
    return "$job_status"
}

if [[ ${1:-} == --leg ]]; then
    shift
    status=0
    leg "$@" >&2 || status=$?
    exit "$status"
fi
