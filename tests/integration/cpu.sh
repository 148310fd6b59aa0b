#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# CPUs that differ: what a job may have used, what is refused before anything starts, what may be ignored, and a job that
# is kept to a level. A checkpoint of another CPU is one whose manifest tells of "newest" and "other", which no CPU has.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

export BIVOUAC_KEEP_ON_SUCCESS=yes

# from_another_cpu ID: the checkpoint of ID.
from_another_cpu()
{
    local manifest=$BIVOUAC_STORE/jobs/$1/000001/manifest

    jq -c '.content.host.cpu += " newest other"' "$manifest" >edited
    cat edited >"$manifest"
    "$apps/reseal" "$manifest"
}

# cpu_of ID: the features that its checkpoint needs.
cpu_of()
{
    jq -r .content.host.cpu "$BIVOUAC_STORE/jobs/$1/000001/manifest"
}

# saved ID [OPTION…]: a job that is checkpointed and ended.
saved()
{
    hold "$@"
    ok "$1 is checkpointed and ended" bv checkpoint "$1" --kill
    job_wait
    let_go "$1"
}

# goes_on ID ARGUMENT…: a restart with these arguments ends as the job would have.
goes_on()
{
    local id=$1

    shift
    is "$(status_of bv restart "$id" "$@")" 5 "$id goes on"
    is "$(cat "$id.out")" "ready
done" "from where it was"
}

# --- what a job may have used ---------------------------------------------------------------------

saved free
saved named
from_another_cpu free
from_another_cpu named
is "$(status_of bv restart free)" 109 "where the CPU has less, a job does not start"
like "$(<err)" 'lacks what the job may have used: newest other;.*--cpu=ignore' "it says what is missing, and what to do"
is "$(status_of bv restart free --cpu=ignore:newest)" 109 "nor where one of two is ignored"
like "$(<err)" 'may have used: other;' "the other one is named"
is "$(<free.out)" ready "nothing has run"
goes_on free --cpu=ignore:newest,other

is "$(BIVOUAC_CPU=ignore:other status_of bv restart named)" 109 "the environment ignores, too"
BIVOUAC_CPU=ignore:newest,other goes_on named

# --- a job that is kept to a level ----------------------------------------------------------------

saved kept --cpu-baseline x86-64-v2
saved all
like "$(cpu_of kept)" 'sse4_2' "a job that is kept to x86-64-v2 may have used what belongs to it"
unlike "$(cpu_of kept)" '(avx|bmi|sha_ni|vaes|fsgsbase|rdrand)' "and nothing beyond"
if [[ $(cpu_of all) == "$(cpu_of kept)" ]]; then
    not_ok "the CPU has more than that, which shows that there is a difference"
fi
is "$(bv show kept --json | jq -r '.record.cpu_baseline')" x86-64-v2 "show says so"
goes_on kept
goes_on all

linker=/lib64/ld-linux-x86-64.so.2
is "$(status_of bv run --cpu-baseline x86-64-v3 -- "$linker" --help)" 0 "the dynamic linker tells of its levels"
unlike "$(<out)" 'x86-64-v4 \(supported' "with x86-64-v3 it takes no library of the fourth"
is "$(status_of bv run --cpu-baseline x86-64-v2 -- "$linker" --help)" 0 "and once more"
unlike "$(<out)" 'x86-64-v[34] \(supported' "with x86-64-v2 none of the third"
like "$(<out)" 'x86-64-v2 \(supported' "but of the second"
# shellcheck disable=SC2016 # the job's shell expands
is "$(GLIBC_TUNABLES=glibc.malloc.check=0 status_of bv run --cpu-baseline x86-64-v3 -- \
    sh -c 'echo "$GLIBC_TUNABLES"')" 0 "a job with tunables of its own"
like "$(<out)" '^glibc\.cpu\.hwcaps=-AVX512F.*:glibc\.malloc\.check=0$' "has both"

# Its own /proc/cpuinfo, in a namespace of its own.
sed 's/ ssse3 / /' /proc/cpuinfo >cpuinfo
# shellcheck disable=SC2016 # the inner shell expands
is "$(status_of unshare --user --map-current-user --mount --keep-caps sh -c 'mount --bind cpuinfo /proc/cpuinfo && exec "$@"' - \
    bivouac run --cpu-baseline x86-64-v2 -- true)" 109 "a level that the CPU has not is refused"
like "$(<err)" 'lacks ssse3, which belongs to x86-64-v2' "with what is missing"

# --- words that mean nothing ----------------------------------------------------------------------

for bad in newest ignore: 'ignore:,' ignore:a,,b 'ignore:a,' ignore:A 'ignore:a b'; do
    is "$(status_of bv run --cpu "$bad" -- true)" 2 "--cpu '$bad' is refused"
    like "$(<err)" 'ignore:FEATURE' "with what to write"
done
is "$(status_of bv run --cpu-baseline x86-64-v9 -- true)" 2 "so is a level that does not exist"
finish_jobs
