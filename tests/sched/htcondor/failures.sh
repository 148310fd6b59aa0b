#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# What goes wrong: a sandbox without room, a checkpoint that is damaged on its way, jobs that cannot be checkpointed.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/htcondor/lib/pool.sh

pool_up --execute-size 100M

# --- refused ----------------------------------------------------------------------------------------------------------

# refused NAME LINE REASON
refused()
{
    on alice mkdir "$1"
    printf '%s\n' "$2" 'executable = /bin/true' 'output = out' 'checkpoint_restart = true' queue | on alice sh -c "cat >$1/job.sub"
    fails "$1: condor_submit refuses it" 1 on alice sh -c "cd $1 && condor_submit job.sub >err 2>&1"
    like "$(cat "/home/alice/$1/err")" "checkpoint_restart $3" "$1: and says why"
}

refused parallel $'universe = parallel\nmachine_count = 2' 'works for jobs of the vanilla universe'
refused local 'universe = local' 'works for jobs of the vanilla universe'
refused docker $'universe = docker\ndocker_image = debian' 'works for jobs of the vanilla universe'
refused stream 'stream_output = true' 'does not work with stream_output'

# --- no room ----------------------------------------------------------------------------------------------------------

submit_until alice little 7 24 <<END
checkpoint_restart = true
+BivouacInterval = 4
request_disk = 8M
END
for name in flipped cut garbage; do
    submit_until bob "$name" 7 <<END
checkpoint_restart = true
+BivouacInterval = 4
request_disk = 20M
END
done
require wait_says little 'bivouac: .*no checkpoint of job condor-.* is 8.0 MiB'
ok "a job whose checkpoint does not fit is told what to ask for, and goes on" more_ticks little
is "$(events little 004) $(events little 012)" "0 0" "it is neither evicted nor held"

# --- damaged ----------------------------------------------------------------------------------------------------------

# flip FILE: one byte in the middle is another one.
flip()
{
    local middle=$(($(stat -c %s "$1") / 2)) byte

    byte=$(od -An -tu1 -j "$middle" -N 1 "$1")
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %x $((byte ^ 255)))" | dd of="$1" bs=1 seek="$middle" conv=notrunc status=none
}

# held_away NAME: held, with its checkpoint at the access point and nowhere else.
held_away()
{
    local sandbox

    sandbox=$(sandbox_of "$1")
    condor hold "$1"
    require wait_event "$1" 012
    require wait_for -t "$condor_deadline" no_sandbox "$sandbox"
}

for name in flipped cut garbage; do
    require wait_checkpoint "$name"
    require wait_tick "$name" 20
    held_away "$name"
done
flip "$(checkpoint_file flipped)"
truncate -s -4096 "$(checkpoint_file cut)"
head -c 100000 /dev/urandom >"$(checkpoint_file garbage)"
for name in flipped cut garbage; do
    condor release "$name"
done
require wait_event garbage 012 2
like "$(attribute garbage HoldReason)" 'ivouac' "a job is held when nothing of its checkpoint is good"
like "$(cat /home/bob/garbage/err "$(sandbox_of garbage)/_condor_stderr" 2>/dev/null)" 'bivouac: ' "with the reason on its standard error"
condor rm garbage

# Falls back to the checkpoint before, or is held: never from the beginning, and never with wrong output.
for name in flipped cut; do
    back_or_held()
    {
        has_event "$name" 012 2 || says "$name" 'goes on from checkpoint'
    }
    require wait_for -t "$condor_deadline" back_or_held
    if has_event "$name" 012 2; then
        like "$(attribute "$name" HoldReason)" 'ivouac' "$name: it is held, with the reason"
        condor rm "$name"
    else
        gate "$name" end
        whole "$name" 7
    fi
done

gate little end
whole little 7

# --- a full disk ------------------------------------------------------------------------------------------------------

submit_until alice full 7 24 <<END
checkpoint_restart = true
+BivouacInterval = 4
request_disk = 60M
END
require wait_tick full 5
fallocate -l $(($(df --output=avail -B 1 "$execute" | tail -n 1) - (2 << 20))) "$execute/filler"
ok "a job whose sandbox is full is told so" wait_says full 'bivouac: .*[Nn]o space'
ok "and goes on" more_ticks full
is "$(events full 004) $(events full 012) $(checkpoint_now full)" "0 0 " "it is neither evicted nor held, and no part of a checkpoint is uploaded"
rm "$execute/filler"
ok "when there is room, it is checkpointed" wait_checkpoint full
condor vacate_job full
require wait_event full 001 2
ok "and goes on in another sandbox" more_ticks full
gate full end
whole full 7
pool_is_empty
finish
