#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Which checkpoints a job keeps: by number, by age, within quotas, and when it has ended.
# shellcheck disable=SC2016,SC2317 # the job's shell expands; called by wait_for
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# checkpoints ID N
checkpoints()
{
    local i

    for ((i = 0; i < $2; i++)); do
        ok "a checkpoint of $1" bv checkpoint "$1"
    done
}

# removed_of ID: "GENERATION WHY" of each, in one line.
removed_of()
{
    bv show "$1" --json | jq -r '[.events[] | select(.event == "removed") | "\(.generation) \(.why)"] | join(", ")'
}

# ages ID GENERATION SECONDS: makes a checkpoint as old as that.
ages()
{
    touch -d "@$(($(date +%s) - $3))" "$BIVOUAC_STORE/jobs/$1/$(printf '%06d' "$2")/manifest"
}

was_restarted()
{
    (($(restarts_of "$1") > 0))
}

# bytes_of [ID]: what the job, or all jobs, take: each inode once.
bytes_of()
{
    find "$BIVOUAC_STORE/jobs/${1:-}" -type f -printf '%i %s\n' | sort -u | awk '{ n += $2 } END { printf "%d\n", n }'
}

# --- number and age
for bad in '--keep 0' '--keep x' '--keep-for 0' '--keep-for -1' '--keep-on-success maybe' '--quota-job x' '--quota-user -1'; do
    # shellcheck disable=SC2086
    is "$(status_of bv run --job bad $bad -- true)" 2 "$bad is refused"
done
is "$(BIVOUAC_KEEP=0 status_of bv run --job bad -- true)" 2 "BIVOUAC_KEEP=0 is refused"
hold three --keep 3
checkpoints three 5
is "$(generations_of three)" "3 4 5" "--keep 3 keeps three"
is "$(removed_of three)" "1 keep, 2 keep" "the history says what was removed, and why"
ok "the end of the attempt" bv checkpoint three --kill
job_wait
hold three --keep 1 --keep-for 1h
require wait_for was_restarted three
for generation in 4 5; do
    ages three "$generation" 3700
done
checkpoints three 2
is "$(generations_of three)" "6 7 8" "--keep-for 1h keeps what is younger"
ages three 6 3500
checkpoints three 1
is "$(generations_of three)" "6 7 8 9" "and not what is older"
finish_job three
is "$job_status" 5 "the job ends with status 5"
is "$(generations_of three)" "6 7 8 9" "after a failure everything is kept"

# --- success
# ends ID STATUS [OPTION…]: a job with two checkpoints, the first of them pinned, that then ends so.
ends()
{
    local id=$1 end=$2

    shift 2
    start_job "$id" "$@" -- sh -c "echo ready; until test -e go; do sleep 0.05; done; $end"
    require wait_for says "$id" ready
    checkpoints "$id" 2
    if [[ $id == *pinned* ]]; then
        ok "one is pinned" bv pin "$id@1"
    fi
    finish_job "$id"
}
ends good 'exit 0'
is "$job_status $(generations_of good)" "0 " "after success nothing is kept"
is "$(removed_of good)" "1 success, 2 success" "the history says so"
is "$(find "$BIVOUAC_STORE/jobs/good" -name '*.bvp' -o -name '.[a-z0-9]*' ! -name .now)" "" "nothing is left of them"
is "$(state_of good)" ended "the job is still there"
is "$(status_of bv run --job good -- true)" 119 "and is not run again"
ends pinned 'exit 0'
is "$job_status $(generations_of pinned)" "0 1" "what is pinned stays"
ends keeper 'exit 0' --keep-on-success yes
is "$job_status $(generations_of keeper)" "0 1 2" "with --keep-on-success yes all stay"
printf '[run]\nkeep-on-success = yes\n' >site.conf
BIVOUAC_SITE_CONFIG=$work/site.conf ends site 'exit 0'
is "$job_status $(generations_of site)" "0 1 2" "the site file can say so too"
ends bad 'exit 1'
is "$job_status $(generations_of bad)" "1 1 2" "after a failure they stay"
ends killed 'kill -TERM $$'
is "$job_status $(generations_of killed)" "143 1 2" "after a death by a signal they stay"

# --- quotas. Each checkpoint of this job is of a fresh MiB, which nothing compresses.
# fresh ID: and it tells which.
cat >fresh.sh <<'END'
#!/bin/bash
n=0
head -c 1M /dev/urandom >data
echo ready
until test -e go; do
    if test -e next; then
        rm next
        head -c 1M /dev/urandom >data
        n=$((n + 1))
        echo "fresh $n"
    fi
    sleep 0.02
done
echo done
exit 7
END
chmod +x fresh.sh
# changes ID N
changes()
{
    touch "$1/next"
    require wait_for says "$1" "fresh $2"
}
start_job quota --capture "$work/quota" --keep 4 --quota-job 3500K -- "$work/fresh.sh"
require wait_for says quota ready
checkpoints quota 1
for n in 1 2; do
    changes quota "$n"
    checkpoints quota 1
done
is "$(generations_of quota)" "1 2 3" "three of a MiB fit into 3500K"
changes quota 3
checkpoints quota 1
like "$(generations_of quota)" '^([23] )+4$' "for the fourth the oldest must go"
like "$(removed_of quota)" '^1 quota-job' "the history says which quota it was"
ok "the quota is kept" test "$(bytes_of quota)" -le $((3500 * 1024))
ok "all that are left verify" bv verify quota
pinned=$(generations_of quota)
for generation in ${pinned% 4}; do
    ok "all but the newest are pinned" bv pin "quota@$generation"
done
changes quota 4
before=$(generations_of quota)
is "$(status_of bv checkpoint quota)" 105 "when nothing may be removed the checkpoint fails with 105"
like "$(<err)" 'quota-job is 3.4 MiB.*quota would take .* MiB.*of which 0 bytes can be freed.*the job goes on' \
    "it says which quota, and how much"
is "$(wc -l <err)" 1 "in one sentence"
diag "$(<err)"
is "$(generations_of quota)" "$before" "what there was is there"
is "$(find "$BIVOUAC_STORE/jobs/quota" -name '.0*' -o -name '.staging*')" "" "nothing else is"
ok "the job goes on" changes quota 5
is "$(jq -r 'select(.event == "checkpoint-failed") | .code' "$BIVOUAC_STORE/jobs/quota/events.jsonl")" BV_ENOSPACE \
    "the history has it"
is "$(status_of bv checkpoint quota --kill)" 105 "one that would end the job fails too"
ok "and does not end it" changes quota 6
for generation in ${pinned% 4}; do
    ok "unpinned" bv unpin "quota@$generation"
done
checkpoints quota 1
like "$(generations_of quota)" '^4 [0-9]+$' "then there is room again"
ok "saved" bv checkpoint quota --kill
job_wait
is "$job_status" 85 "the job is saved"

# Below what is there already no checkpoint can fit: that is said before the job is frozen.
start_job quota --quota-job 1M -- "$work/fresh.sh"
require wait_for was_restarted quota
is "$(status_of bv checkpoint quota)" 105 "a quota that is exceeded already"
like "$(<err)" 'quota-job is 1.0 MiB, .*would take' "is named"
is "$(find "$BIVOUAC_STORE/jobs/quota" -name '.0*')" "" "and nothing was begun"
finish_job quota
is "$job_status" 7 "the job goes on and ends"

# --- quotas of all jobs
mkdir user
start_job user --capture "$work/user" --keep 9 --quota-user "$(($(bytes_of) + 3500 * 1024))" -- "$work/fresh.sh"
require wait_for says user ready
others=$(bytes_of quota)
checkpoints user 1
for n in 1 2 3; do
    changes user "$n"
    checkpoints user 1
done
like "$(generations_of user)" '^([23] )+4$' "for the user's quota the job's own oldest goes"
like "$(removed_of user)" '^1 quota-user' "the history says which"
is "$(bytes_of quota)" "$others" "nothing of other jobs is removed"
finish_job user
start_job store --quota-store 1M -- "$work/fresh.sh"
require wait_for says store ready
is "$(status_of bv checkpoint store)" 105 "the quota of the store, too"
like "$(<err)" 'quota-store is 1.0 MiB, .*all jobs of the store would take' "is told by its name"
finish_job store
is "$job_status" 7 "and the job ends as it does"
finish_jobs
