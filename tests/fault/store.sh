#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Jobs and stores that are not there, or are not what they should be: each has its own status and
# one sentence, and nothing is started or changed.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
. /src/tests/fault/lib/steps.sh

# refused NAME STATUS REGEX CMD…
refused()
{
    local name=$1 status=$2 text=$3 got=0 said

    shift 3
    said=$("$@" 2>&1 </dev/null) || got=$?
    is "$got" "$status" "$name: status $status"
    like "$said" "$text" "$name: the message tells"
    is "$(wc -l <<<"$said")" 1 "$name: in one sentence"
}

case_number=1
steps_reference
steps_two_generations stored

# --- jobs
refused "an unknown job, checkpoint" 101 "nosuch" bivouac checkpoint nosuch
refused "an unknown job, restart" 101 "nosuch" bivouac restart nosuch
refused "an unknown generation" 101 "9" bivouac restart "$job_id@9"
refused "a name that is none" 2 "job id" bivouac restart "../etc"
refused "a generation that is none" 2 "generation" bivouac restart "$job_id@x"
refused "a checkpoint of a job that does not run" 116 "not running" bivouac checkpoint "$job_id"
refused "a restart without a checkpoint" 101 "fresh" bivouac restart fresh

# --- stores
refused "a store that is not there" 103 "$work/none" bivouac restart --store "$work/none" "$job_id"
refused "a store that is not there, checkpoint" 103 "$work/none" bivouac checkpoint --store "$work/none" "$job_id"
mkdir "$work/other"
touch "$work/other/file"
refused "a directory that is no store" 103 "no store" bivouac run --store "$work/other" -- true
is "$(ls -A "$work/other")" file "it is left as it is"
touch "$work/file"
refused "a file" 103 "$work/file" bivouac run --store "$work/file" -- true
mkdir "$work/closed"
chmod 500 "$work/closed"
refused "a store that cannot be made" 102 "$work/closed" bivouac run --store "$work/closed/store" -- true

cp -a "$BIVOUAC_STORE" "$work/foreign"
printf 'bivouac-store 9\n' >"$work/foreign/format"
refused "a store of another format" 103 "format" bivouac run --store "$work/foreign" --job "$job_id" -- true
printf 'something\n' >"$work/foreign/format"
refused "a store of somebody else's" 103 "no store" bivouac run --store "$work/foreign" --job "$job_id" -- true
rm "$work/foreign/format"
refused "a store without a format" 103 "no store" bivouac restart --store "$work/foreign" "$job_id"
cp -a "$BIVOUAC_STORE" "$work/open"
chmod 777 "$work/open"
refused "a store that anybody can write" 102 "writable" bivouac restart --store "$work/open" "$job_id"

# --- records
cp -a "$BIVOUAC_STORE" "$work/records"
record=$work/records/jobs/$job_id/job.json
chmod u+w "$record"
printf '{' >"$record"
refused "a job record that is cut short" 104 "" bivouac restart --store "$work/records" "$job_id"
printf '{}\n' >"$record"
refused "a job record that says nothing" 104 "" bivouac restart --store "$work/records" "$job_id"
cp "$BIVOUAC_STORE/jobs/$job_id/job.json" "$record"
last=$(find "$work/records/jobs/$job_id/attempts" -name '[0-9]*' | sort | tail -n 1)
printf 'x' >"$last"
refused "an attempt that cannot be read" 104 "attempts" bivouac restart --store "$work/records" "$job_id"

# --- where the job was
mv "$dir" "$work/away"
refused "a working directory that is gone" 111 "$dir" \
    bivouac restart "$job_id"
wait_for no_strangers || not_ok "processes are left"
touch "$dir"
refused "a working directory that is a file" 111 "$dir" bivouac restart "$job_id"
rm "$dir"
refused "a directory to continue in that is gone" 111 "/nowhere" bivouac restart --chdir nowhere "$job_id"
mv "$work/away" "$dir"

# --- after all that
problems=()
steps_finish 2
is "${problems[*]}" "" "after all that the job goes on, and nothing is lost"
refused "a job that has ended" 119 "has ended" bivouac restart "$job_id"
finish
