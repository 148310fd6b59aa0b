#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A host or a program that is not what it was at the checkpoint: refused before the job runs.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
. /src/tests/fault/lib/steps.sh

case_number=1
steps_reference
program=$work/program
cp "$apps/steps" "$program"
steps_command=("$program")
steps_two_generations changed

# refuses NAME STATUS REGEX: an attempt is, and leaves the checkpoint as it is.
refuses()
{
    steps_attempt
    is "$job_status" "$2" "$1: status $2"
    like "$said" "${3#/}" "$1: the message tells"
    wait_for no_strangers || not_ok "$1: processes are left"
    is "$(newest_generation)" 2 "$1: the checkpoint is still there"
}

# --- the program
cp "$program" "$work/original"
printf x >>"$program"
refuses "an executable of another size" 110 "$program"

cp "$work/original" "$program"
python3 - "$program" <<'END'
import re, subprocess, sys
path = sys.argv[1]
notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
build_id = bytes.fromhex(re.search(r"Build ID: ([0-9a-f]+)", notes).group(1))
with open(path, "rb") as f:
    content = f.read()
assert content.count(build_id) == 1
with open(path, "wb") as f:
    f.write(content.replace(build_id, bytes(reversed(build_id))))
END
refuses "an executable that was built again, to the same size" 110 "$program"

rm "$program"
refuses "an executable that is gone" 110 "$program"
cp "$work/original" "$program"

# --- the job's files
mv "$dir/log.txt" "$work/log"
ln -s "$work/log" "$dir/log.txt"
refuses "an output file that is a link now" 110 "log.txt"
rm "$dir/log.txt"
mkdir "$dir/log.txt"
refuses "an output file that is a directory now" 110 "log.txt"
rmdir "$dir/log.txt"
mv "$work/log" "$dir/log.txt"

# --- the host
manifest=$BIVOUAC_STORE/jobs/$job_id/000002/manifest
cp "$manifest" "$work/manifest"
edit_manifest()
{
    jq -c "$1" "$work/manifest" >"$work/edited"
    cat "$work/edited" >"$manifest"
    "$apps/reseal" "$manifest"
}
edit_manifest '.content.host.cpu += " quantum9 sse2"'
refuses "a CPU that lacks a feature" 109 "lacks .*quantum9"
edit_manifest '.content.host.machine = "riscv128"'
refuses "another kind of machine" 109 "riscv128"
cat "$work/manifest" >"$manifest"

problems=()
steps_finish 2
is "${problems[*]}" "" "with everything as it was the job goes on, and nothing is lost"

# --- a file of which the checkpoint holds no copy
steps_new uncaptured
steps_start --capture-limit 1
require steps_reach 10
require job_checkpoint
require job_checkpoint
steps_crash
touch "$dir/cells.bin"
refuses "a file written in place that has changed since" 110 "cells.bin"
steps_open 50
steps_start --accept-changed
steps_end
steps_identical "told to accept that, the job goes on"

# --- files of which it holds one
spoil()
{
    case $1 in
    gone) rm "$2" ;;
    shorter) truncate -s 100 "$2" ;;
    rewritten) tr a-f A-F <"$2" >"$2.new" && mv "$2.new" "$2" ;;
    esac
}

for how in gone shorter rewritten; do
    for file in log.txt cells.bin; do
        steps_two_generations "$how-${file%.*}"
        spoil "$how" "$dir/$file"
        steps_finish 2
        conclude "$file, $how since the checkpoint, is put back"
    done
done
finish
