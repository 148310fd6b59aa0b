#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Damaged checkpoints: each file cut short, emptied, gone, or with one bit flipped. A restart goes
# on from the checkpoint before and says so; if all are bad it starts nothing, unless told to.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
. /src/tests/fault/lib/steps.sh
. /src/tests/lib/damage.sh

# The store and the directory of a job with two checkpoints, to begin each case from.
prepare()
{
    case_number=1
    steps_two_generations damaged
    mkdir "$work/pristine"
    cp -a "$dir" "$dir.out" "$BIVOUAC_STORE" "$work/pristine/"
}

pristine()
{
    rm -rf "$dir" "$BIVOUAC_STORE" "$dir.err"*
    cp -a "$work/pristine/store" "$BIVOUAC_STORE"
    cp -a "$work/pristine/${dir##*/}" "$dir"
    cp -a "$work/pristine/${dir##*/}.out" "$dir.out"
    problems=()
}

generation()
{
    printf '%s/jobs/%s/%06d\n' "$BIVOUAC_STORE" "$job_id" "$1"
}

# What may happen to a file.
cut_short()
{
    truncate -s $(($(stat -c %s "$1") - 1)) "$1"
}

halve()
{
    truncate -s $(($(stat -c %s "$1") / 2)) "$1"
}

empty_file()
{
    : >"$1"
}

lengthen()
{
    printf x >>"$1"
}

flip_near_the_end()
{
    flip "$1" -9
}

scramble()
{
    head -c 5000 /dev/urandom >"$1"
}

link_elsewhere()
{
    mv "$1" "$work/elsewhere"
    ln -s "$work/elsewhere" "$1"
}

# Falls back to the first checkpoint, and says so.
falls_back()
{
    local name=$1

    steps_finish 1
    must "it does not say that it falls back: $(cat "$dir.err")" \
        grep -q "^bivouac: .*do not verify" "$dir.err"
    must "the history does not tell" grep -q '"event":"fell-back"' "$BIVOUAC_STORE/jobs/$job_id/events.jsonl"
    if ((${#problems[@]} == 0)); then
        pass "$name: it goes on from the checkpoint before"
    else
        not_ok "$name: it goes on from the checkpoint before" "$dir.err"
        printf 'problem: %s\n' "${problems[@]}" | diag
    fi
}

steps_reference
prepare
for file in manifest index pack-000002.bvp; do
    for damage in cut_short halve empty_file lengthen flip flip_near_the_end scramble rm link_elsewhere; do
        pristine
        "$damage" "$(generation 2)/$file"
        falls_back "$file, ${damage//_/ }"
    done
done
pristine
rm -rf "$(generation 2)"
mkdir "$(generation 2)"
falls_back "an empty generation"

# --- what the manifest says is refused although its digest is right
reseal()
{
    local manifest

    pristine
    manifest=$(generation 2)/manifest
    jq -c "$1" "$manifest" >"$work/edited"
    cat "$work/edited" >"$manifest"
    "$apps/reseal" "$manifest"
}

resealed()
{
    reseal "$2"
    falls_back "$1"
}

# What shows only when the restart has begun: nothing is started, and nothing was changed.
resealed_late()
{
    local lines

    reseal "$2"
    lines=$(wc -l <"$dir/log.txt")
    steps_attempt
    is "$job_status" 104 "$1: status 104"
    like "$said" "generation 2 of job $job_id" "$1: the message names the checkpoint"
    is "$(wc -l <"$dir/log.txt")" "$lines" "$1: the job's files were not touched"
    wait_for no_strangers || not_ok "$1: processes are left"
}

resealed "a pack that lies in another generation" '.packs[0].name = "../000001/pack-0.bvp"'
resealed "a pack with an absolute path" '.packs[0].name = "/etc/passwd"'
resealed "no pack" '.packs = []'
resealed "another job" '.job = "other"'
resealed "another generation" '.generation = 1'
resealed "no host" 'del(.content.host)'
resealed "a root that is no pid" '.content.root = -1'
resealed_late "standard files that are none" '.content.stdio = [1, 2, 3]'
resealed_late "clocks that are none" '.content.monotonic_ns = "now"'
resealed "no content" '.content = {}'
reseal .
steps_finish 2
is "${problems[*]}" "" "a manifest that is only sealed again is good"

reseal '.format = "bivouac-generation 3"'
steps_attempt
is "$job_status" 103 "a checkpoint of a newer version is not skipped over"
like "$said" "format" "and the message says why"

# --- all are bad
pristine
flip "$(generation 1)/pack-000001.bvp"
flip "$(generation 2)/manifest"
lines=$(wc -l <"$dir/log.txt")
steps_attempt
is "$job_status" 104 "if all checkpoints are bad, the attempt ends with status 104"
like "$said" "no checkpoint of job $job_id verifies .*nothing was started" "and says that nothing was started"
is "$(wc -l <"$dir/log.txt")" "$lines" "the job's files were not touched"
wait_for no_strangers || not_ok "processes are left"
fails "and so does bivouac restart" 104 bivouac restart "$job_id"
fails "and bivouac restart of one generation" 104 bivouac restart "$job_id@2"

: >"$dir.out"
steps_start --on-bad-checkpoint=fresh
steps_end
like "$(cat "$dir.err")" "no checkpoint of job $job_id verifies .*from the beginning" "told to start anew, it says so"
steps_identical "and the job runs from the beginning"
finish
