#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# What goes wrong, and what is left over: jobs that cannot be saved or continued, deleted jobs, statuses that mean
# something to Grid Engine, numbers that come again.
# shellcheck disable=SC2016,SC2317 # the job's shell expands; functions are called by name
set -euo pipefail
. /src/tests/sched/gridengine/lib/cluster.sh

cluster_up --slots 16
store=/home/alice/.bivouac

script tick <<END
$apps/ticker \$1 0
exit \${2:-5}
END
script blocked <<'END'
#!/usr/bin/python3
import ctypes, sys, time
libc = ctypes.CDLL(None)
assert libc.inotify_add_watch(libc.inotify_init1(0), b".", 0x100) >= 0
for i in range(1, 401):
    print("tick %d of 400" % i, flush=True)
    time.sleep(0.01)
sys.exit(7)
END
script waits <<'END'
until [[ -e go ]]; do
    sleep 0.1
done
exit 9
END
script again <<'END'
echo run >>"again.$1"
[[ $(wc -l <"again.$1") == 2 ]] || exit "$1"
exit 3
END

# --- a soft limit ---------------------------------------------------------------------------------

soft=$(submit alice soft -ckpt bivouac -c sx -v BIVOUAC_ON_SIGNAL=USR1=checkpoint-and-stop -l s_rt=0:0:4 \
    -S /bin/bash /srv/scripts/waits)
ok "a job is saved at its soft limit, and goes on" wait_restart "$(output alice soft)"
touch /home/alice/go
ends_with "$soft" 2 9 "in a second run"

deleted=$(submit alice deleted -ckpt bivouac -c sx /srv/scripts/tick 60000)
pinned=$(submit alice pinned -ckpt bivouac -c sx /srv/scripts/tick 60000)
lives=$(submit alice lives -ckpt bivouac -c sx /srv/scripts/tick 60000)
damaged=$(submit alice damaged -ckpt bivouac -c sx /srv/scripts/tick 800)
blocked=$(submit alice blocked -ckpt bivouac -c sx -S /usr/bin/python3 /srv/scripts/blocked)
anew=$(submit alice anew -ckpt bivouac -S /bin/bash /srv/scripts/again 99)
held=$(submit alice held -ckpt bivouac -S /bin/bash /srv/scripts/again 100)
limit=$(submit alice limit -ckpt bivouac -c sx -v BIVOUAC_DEADLINE=+6s -l h_rt=0:2:0 /srv/scripts/tick 900 8)

# --- a job that cannot be saved -------------------------------------------------------------------

require wait_for has_tick "$(output alice blocked)" 10
ok "a job that cannot be checkpointed is suspended" qmod -sj "$blocked"
told()
{
    grep -q "^bivouac: .*no checkpoint of job sge-$blocked.1 (suspend): .*inotify" "$(output alice blocked)"
}
ok "its user is told why it is not saved" wait_for told
is "$(events alice "sge-$blocked.1" checkpoint-failed)" 1 "and the history has it"

# --- a checkpoint that is damaged -----------------------------------------------------------------

require wait_for has_tick "$(output alice damaged)" 50
require qmod -d all.q
require qmod -sj "$damaged"
require wait_for -t "$gridengine_deadline" state_is "$damaged" 'R?r?q[wW]?|Rq|qw|Rr'
pack=$(find "$store/jobs/sge-$damaged.1" -name 'pack-*.bvp')
require test -n "$pack"
mv "$pack" pack
head -c 100 /dev/urandom | install -o alice -g alice -m 600 /dev/stdin "$pack"
require qmod -e all.q
ok "a job whose checkpoint is damaged is held" wait_for -t "$gridengine_deadline" is_held "$damaged"
like "$(<"$(output alice damaged)")" "bivouac: .*sge-$damaged.1" "with the reason in its output"
is "$(grep -c '^tick 1 of' "$(output alice damaged)")" 1 "and was not started from its beginning"
cat pack >"$pack"
ok "when it is repaired, the error is cleared" clear_error "$damaged"

# --- deleted jobs ---------------------------------------------------------------------------------

for job in deleted pinned lives; do
    require wait_for has_tick "$(output alice $job)" 20
    ok "a job is saved ($job)" bv_on alice checkpoint "sge-${!job}.1"
done
bv_on alice pin "sge-$pinned.1@1" >/dev/null
require qdel "$deleted" "$pinned"
for job in deleted pinned; do
    require wait_for -t "$gridengine_deadline" is_over "${!job}"
    ok "a deleted job does not run any more ($job)" wait_for test "$(bv_on alice show "sge-${!job}.1" --json | jq -r .state)" != running
    is "$(generations alice "sge-${!job}.1")" 1 "its checkpoint is still there: clean_command is not told why ($job)"
done

reap()
{
    bv_on alice gridengine reap "$@"
}

fails "where qstat does not work, nothing is known, and nothing removed" 100 \
    on alice env SGE_ROOT=/nowhere bivouac gridengine reap --yes --older-than 1s
fails "nor without qstat" 127 on alice env PATH=/nowhere /usr/local/bin/bivouac gridengine reap --yes --older-than 1s
unlike "$(reap)" "sge-$deleted.1: Grid Engine" "what was there an hour ago is left alone"
like "$(reap)" "left alone  sge-$deleted.1: it ran until" "which is said"
sleep 1.1
plan=$(reap --older-than 1s)
like "$plan" "sge-$deleted.1: Grid Engine does not know it any more" "the deleted job is found"
like "$plan" "left alone  sge-$pinned.1: a checkpoint of it is pinned" "one with a pin is left alone"
unlike "$plan" "sge-($lives|$damaged)\.1: Grid" "and so is what Grid Engine knows"
ok "nothing has been removed" test -d "$store/jobs/sge-$deleted.1"
is "$(reap --older-than 1s --json | jq -r '.items[].what')" "sge-$deleted.1" "as JSON"
like "$(reap --older-than 1s --yes)" 'removed 1 thing' "with --yes it is removed"
ok "as a whole" test ! -e "$store/jobs/sge-$deleted.1"
is "$(generations alice "sge-$pinned.1")" 1 "the pinned one is still there"

# --- arguments that are not those of Grid Engine --------------------------------------------------

pid=$(bv_on alice list --json | jq -r ".. | objects | select(.job? == \"sge-$lives.1\" or .id? == \"sge-$lives.1\") | .pid" | head -n 1)
require test "$pid" -gt 1
before=$(generations alice "sge-$lives.1")
fails "migr of a process that is not the job's is refused" 2 bv_on alice gridengine migr "$$" "$lives" undefined
fails "of an unknown job" 101 bv_on alice gridengine migr "$pid" 9999 undefined
fails "of something that is no process" 2 bv_on alice gridengine migr 0 "$lives" undefined
fails "with too few words" 2 bv_on alice gridengine ckpt "$pid" "$lives"
fails "with an environment that names another job" 2 \
    on alice env JOB_ID=1 SGE_TASK_ID=undefined bivouac gridengine migr "$pid" "$lives" undefined
fails "another user's job is not there" 103 bv_on bob gridengine migr "$pid" "$lives" undefined
is "$(generations alice "sge-$lives.1")" "$before" "none of them has done anything"
ok "ckpt with those of the job orders a checkpoint" bv_on alice gridengine ckpt "$pid" "$lives" undefined
ok "which is made" wait_for has_generations alice "sge-$lives.1" $((before + 1))
install -d -m 700 -o alice -g alice "$store/jobs/sge-$pinned.1/.staging-0000"
ok "clean of a job that is dead" bv_on alice gridengine clean "$pid" "$pinned" undefined
ok "removes what was half-made" test ! -e "$store/jobs/sge-$pinned.1/.staging-0000"
is "$(generations alice "sge-$pinned.1")" 1 "and no checkpoint"

# --- statuses that mean something to Grid Engine --------------------------------------------------

ends_with "$anew" 2 3 "a script that ends with 99 is run again, from its beginning"
like "$(<"$(output alice anew)")" 'starts from its beginning: its exit status asked' "which is said"
require wait_for -t "$gridengine_deadline" is_held "$held"
pass "one that ends with 100 is held"
require clear_error "$held"
ends_with "$held" 2 3 "and run again, from its beginning, when the error is cleared"
ok "a job is saved before its own deadline, and goes on" wait_restart "$(output alice limit)"
ok "as often as it takes" wait_for -t "$gridengine_deadline" is_over "$limit"
each_tick_once "$(output alice limit)" 900 "each line is there once"
like "$(grep '"ended"' "$store/jobs/sge-$limit.1/events.jsonl" | tail -n 1)" '"number":8.*"exited"' "and the status is its own"

# --- numbers that come again ----------------------------------------------------------------------

next=$(($(submit alice count -b y true) + 1))
on alice bivouac run --job "sge-$next.1" -- sh -c 'exit 0' >/dev/null 2>&1
on alice bivouac run --job "sge-$((next + 1)).1" -- sleep 600 >/dev/null 2>&1 &
require wait_for test -e "$store/jobs/sge-$((next + 1)).1/attempts/0000"
older=$(submit alice older -ckpt bivouac -c sx /srv/scripts/tick 10)
strange=$(submit alice strange -ckpt bivouac -c sx /srv/scripts/tick 10)
require test "$older" = "$next"
ends_with "$older" 1 5 "a job with the number of one that has ended is run"
like "$(<"$(output alice older)")" 'an older job had this name' "which is said"
ok "one with the number of another job that has not ended is held" \
    wait_for -t "$gridengine_deadline" is_held "$strange"
like "$(<"$(output alice strange)")" "bivouac: .*has a job sge-$strange.1 with another script or command" "with the reason"
unlike "$(<"$(output alice strange)")" 'tick 1 of' "and does nothing"
bv_on alice checkpoint "sge-$strange.1" --kill >/dev/null
require wait_for bv_on alice delete --force "sge-$strange.1"
require clear_error "$strange"
ends_with "$strange" 2 5 "when that one is deleted, it is run"

# --- their ends -----------------------------------------------------------------------------------

ends_with "$blocked" 2 7 "the job that could not be saved ends with its status, though Grid Engine runs it again"
like "$(<"$(output alice blocked)")" 'has already ended with exit status 7' "which does nothing but tell it"
is "$(ticks "$(output alice blocked)" | sort | uniq -d)" "" "each line is there once"
ends_with "$damaged" 3 5 "the job whose checkpoint was damaged ends"
each_tick_once "$(output alice damaged)" 800 "each line is there once"
require qdel "$lives"
ok "nothing is left" wait_for -t "$gridengine_deadline" no_process_of alice
finish_cluster
