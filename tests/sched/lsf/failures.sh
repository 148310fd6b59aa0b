#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# What goes wrong: a full disk, damaged checkpoints, a brestart too early, an erestart that is killed. Nothing is ever
# run from its beginning, and a job that could not be saved goes on.
# shellcheck disable=SC2317
set -euo pipefail

. /src/tests/lib/small-disk.sh
small_disk 6m
. /src/tests/sched/lsf/lib/lsf.sh
. /src/tests/lib/damage.sh
needs_driver "it looks into the state of jobs"

# --- no room ---

job=$(submit -k "$small/ckpt method=bivouac" ./count 3000)
require reached "$job" 5
checkpoint "$job"
is "$last_checkpoint" succeeded "there is room for a first checkpoint"
head -c 8M /dev/zero >"$small/filler" 2>/dev/null || :
checkpoint "$job"
is "$last_checkpoint" failed "no space: LSF is told that it failed"
checkpoint "$job" -k
is "$last_checkpoint" failed "no space: so is bchkpnt -k"
ticks=$(bpeek "$job" | grep -c '^tick ')
rm "$small/filler"
ok "the job goes on" reached "$job" $((ticks + 5))
is "$(generations "$small/ckpt/$job")" 000001 "the checkpoint before is there"
ok "and verifies" bivouac verify "lsf-$job" --store "$small/ckpt/$job/.bivouac"
like "$(<"$small/ckpt/$job/bivouac.log")" "failed: .*free" "the log says what is needed"
checkpoint "$job" -k
is "$last_checkpoint" succeeded "with room again, it is saved"
is "$(ended "$job")" "Exited by signal 9" "and killed"

# --- too early ---

job=$(submit -k "$ckpt method=bivouac" ./count 3000)
require reached "$job" 5
checkpoint "$job"
twin=$(restart "$ckpt" "$job")
like "$(ended "$twin")" "^Exited with exit code 112" "brestart of a job that runs: refused"
ok "the job goes on" reached "$job" $(($(bpeek "$job" | grep -c '^tick ') + 5))
is "$(bpeek "$job" | grep -cx 'tick 1')" 1 "and nothing was run from its beginning"
kill -KILL -- "-$(jq -r .pgid "$LSF_SIM/jobs/$job.json")"
is "$(ended "$job")" "Exited by signal 9" "when it has ended"
job=$(restart "$ckpt" "$twin")
ok "it can be restarted, through two links" reached "$job" 8
checkpoint "$job"
checkpoint "$job" -k
require test "$(ended "$job")" = "Exited by signal 9"

# --- damage ---

mapfile -t all < <(generations "$ckpt/$job")
is "${#all[@]}" 2 "there are two checkpoints"
flip "$(find "$ckpt/$job/.bivouac" -path "*/${all[1]}/pack-${all[1]}.bvp")"
old=$job
job=$(restart "$ckpt" "$old")
ok "the newest is damaged: the one before is taken" reached "$job" $(($(bpeek "$old" | grep -c '^tick ') + 3))
like "$(bpeek "$job")" "bivouac: .*newer ones do not verify" "and this is said"
is "$(bpeek "$job" | grep '^tick ' | sort | uniq -d)" "" "no line is there twice"
kill -KILL -- "-$(jq -r .pgid "$LSF_SIM/jobs/$job.json")"
require test "$(ended "$job")" = "Exited by signal 9"

for file in "$ckpt/$job"/.bivouac/jobs/*/0*/manifest; do
    flip "$file"
done
lines=$(bpeek "$job" | grep -c '^tick ')
old=$job
job=$(restart "$ckpt" "$old")
is "$(ended "$job")" "Exited with exit code 104" "all are damaged: refused"
is "$(bpeek "$job" | grep -c '^tick ')" "$lines" "and nothing was run"
rm "$ckpt/$job/.bivouac-job"
old=$job
job=$(restart "$ckpt" "$old")
is "$(ended "$job")" "Exited with exit code 101" "a directory that is no job's: refused"
is "$(bpeek "$job" | grep -c '^tick ')" "$lines" "and nothing was run"

# --- erestart is killed ---

# The attempt before seems to live on another host: erestart waits for its lease.
elsewhere()
{
    local attempts newest

    attempts=$(echo "$ckpt/$1"/.bivouac/jobs/*/attempts)
    newest=$(find "$attempts" -name '[0-9][0-9][0-9][0-9]' | sort | tail -n 1)
    rm -f "$newest.end"
    jq -cS --argjson lease "$2" '.boot_id = "another" | .lease_ms = $lease' "$newest" >"$newest.new"
    mv "$newest.new" "$newest"
}

erestart_runs()
{
    erestart_pid=$(pgrep -o -f 'erestart.bivouac ')
}

job=$(submit -k "$ckpt method=bivouac" ./count 60 7)
require reached "$job" 5
checkpoint "$job" -k
require test "$(ended "$job")" = "Exited by signal 9"
lines=$(bpeek "$job" | grep -c '^tick ')
elsewhere "$job" 600000
old=$job
job=$(restart "$ckpt" "$old")
require wait_for erestart_runs
require wait_for test -e "$ckpt/$job/.restart_cmd" # before that, LSF runs the job's line, which continues it as well
pass "erestart waits for a host that may be alive"
kill -KILL "$erestart_pid"
is "$(ended "$job")" "Exited with exit code 108" "erestart is killed: what LSF takes for success runs nothing"
is "$(bpeek "$job" | grep -c '^tick ')" "$lines" "nothing at all"
elsewhere "$job" 2000
old=$job
job=$(restart "$ckpt" "$old")
is "$(ended "$job")" "Exited with exit code 7" "when the lease has run out, it goes on to its end"
whole "every line is there once" "$job" 60
finish_lsf
