#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The hooks with commands of LSF that only record how they were called: what is asked of LSF, and when nothing is.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/lsf/lib/lsf.sh
needs_driver "it calls the hooks itself, as LSF would"

fake=$work/fake
mkdir "$fake"
calls=$work/calls
for command in bchkpnt brestart bjobs; do
    cat >"$fake/$command" <<'END'
#!/bin/bash
{
    printf '%s' "${0##*/}"
    printf ' <%s>' "$@"
    echo
} >>"$CALLS"
[[ ! -e $CALLS.fail-${0##*/} ]] || { echo "${0##*/}: something is wrong"; exit 255; }
[[ ! -e $CALLS.busy-${0##*/} ]] || { echo "Job <103>: Operation is in progress" >&2; exit 255; }
case ${0##*/} in
bjobs) printf 'Job <103>, User <alice>\n\n CPULIMIT\n 5.0 min of host\n\n RUNLIMIT                MEMLIMIT\n 59.2 min of host  4 G\n' ;;
brestart) echo "Job <4711> is submitted to queue <orun>." ;;
bchkpnt) echo "Job <103> is being checkpointed" ;;
esac
END
    chmod +x "$fake/$command"
done
export CALLS=$calls

# A directory of a job, such as a run leaves.
place=$ckpt/103
mkdir -p "$place"
chmod 0700 "$place"
pointer='{"format":"bivouac-lsf 1","job":"lsf-103"}'
printf '%s\n' "$pointer" >"$place/.bivouac-job"

# The processes that a hook is to end; they are in a group of their own.
victims()
{
    # shellcheck disable=SC2016
    setsid bash -c 'echo $$ >'"$work"'/victim; trap "" INT; sleep 1000 & wait' 2>/dev/null &
    disown
    wait_for test -s "$work/victim"
    victim=$(<"$work/victim")
}

alive()
{
    kill -0 "$victim" 2>/dev/null
}

dead()
{
    ! alive
}

# terminate REASONS SUBREASONS [VARIABLE=VALUE…]: calls the hook as sbatchd does. Sets status.
terminate()
{
    local reasons=$1 subreasons=$2

    shift 2
    : >"$calls"
    status=0
    env LSB_JOBID=103 LSB_JOBINDEX=0 LSB_CHKPNT_DIR="$place" LSB_ECHKPNT_METHOD=bivouac LSF_BINDIR="$fake" \
        LSB_SUSP_REASONS="$reasons" LSB_SUSP_SUBREASONS="$subreasons" LSB_JOBPGIDS="$victim" LSB_JOBPIDS="$victim" \
        ENABLE_ORUN_CHKPNT=Y ENABLE_ORUN_RESTART=Y ORUN_TIMEOUT_SECONDS=60 "$@" \
        bivouac lsf terminate --interval 0.2s --pending 2 </dev/null >out 2>&1 || status=$?
}

state()
{
    jq -r .state "$place/.bivouac-overrun" 2>/dev/null || echo none
}

forget()
{
    rm -f "$place/.bivouac-overrun"
    : >"$calls"
}

# ends NAME REASONS SUBREASONS [VARIABLE=VALUE…]: the job is ended, and LSF is asked for nothing.
ends()
{
    local name=$1

    shift
    victims
    terminate "$@"
    ok "$name: the job is ended" wait_for dead
    is "$status $(grep -c bchkpnt "$calls" || :)" "0 0" "$name: and no checkpoint is asked for"
    rm -f "$work/victim"
}

ends "bkill" 2 0
ends "the CPU limit" 131072 8
ends "the memory limit" 131072 16
ends "the deadline" 131072 2
ends "no reasons at all" "" ""
ends "reasons that are none" x 1
ends "ENABLE_ORUN_CHKPNT=n" 131072 1 ENABLE_ORUN_CHKPNT=n
ends "another method" 131072 1 LSB_ECHKPNT_METHOD=criu
ends "no checkpoint directory" 131072 1 LSB_CHKPNT_DIR=
ends "a checkpoint directory that is gone" 131072 1 LSB_CHKPNT_DIR="$work/none"
ends "a limit of no restarts" 131072 1 ORUN_RESTART_LIMIT=0
ends "a limit that is no number" 131072 1 ORUN_RESTART_LIMIT=two
ends "a timeout that is no number" 131072 1 ORUN_TIMEOUT_SECONDS=-1
is "$(state)" none "none of these leaves a state"
printf 'x' >"$place/.bivouac-job"
ends "a damaged directory" 131072 1
printf '%s\n' "$pointer" >"$place/.bivouac-job"
printf 'x' >"$place/.bivouac-overrun"
ends "a damaged state" 131072 1
forget

# The run limit.
victims
terminate 131072 1
is "$status" 2 "the run limit: the status says that it is not over"
is "$(grep -v bjobs "$calls")" "bchkpnt <-k> <-p> <0> <103>" "bchkpnt is called so, once"
ok "the job is left alone" alive
is "$(state) $(jq -r '.run_limit, .restarts, .id' "$place/.bivouac-overrun" | tr '\n' ' ')" "started 60 0 103 " \
    "the state has the run limit, in whole minutes"
terminate 131072 1
is "$status $(grep -c bchkpnt "$calls" || :)" "2 0" "called again, as LSF 10 does: not over, and nothing is asked twice"
ok "the job is left alone" alive
terminate 2 0
ok "bkill ends it all the same" wait_for dead

# bchkpnt fails.
forget
rm "$work/victim"
victims
touch "$calls.fail-bchkpnt"
terminate 131072 1
ok "bchkpnt fails: the job is ended" wait_for dead
is "$(state)" failed "and the state says so"
rm "$calls.fail-bchkpnt"
like "$(<"$place/bivouac.log")" "bchkpnt failed: bchkpnt: something is wrong" "the log has what bchkpnt said"

# A run that begins under the same number, as after brequeue, has its own chance; the restarts are counted on.
printf '{"at":1,"format":"bivouac-lsf-overrun 1","id":"103","next":0,"restarts":1,"run_limit":60,"state":"failed"}\n' \
    >"$place/.bivouac-overrun"
rm "$work/victim"
ends "the run whose checkpoint failed" 131072 1
ok "the next run under its number" env LSB_JOBID=103 LSB_CHKPNT_DIR="$place" bivouac run -- true
is "$(state) $(jq .restarts "$place/.bivouac-overrun")" "none 1" "has no state but the count of restarts"
victims
terminate 131072 1
is "$status $(state) $(grep -c bchkpnt "$calls")" "2 started 1" "and a checkpoint at its limit"
kill -KILL -- "-$victim"

# LSF is making a checkpoint, and makes one at a time.
asked_again()
{
    (($(grep -c bchkpnt "$calls") >= $1))
}
forget
rm "$work/victim"
victims
touch "$calls.busy-bchkpnt"
terminate 131072 1
is "$status $(state)" "2 started" "bchkpnt says that one is in progress: not over"
ok "it is asked again" wait_for asked_again 2
ok "and the job is left alone" alive
rm "$calls.busy-bchkpnt"
before=$(grep -c bchkpnt "$calls")
ok "and again" wait_for asked_again $((before + 1))
sleep 2.5
ok "until LSF takes it" test "$(grep -c bchkpnt "$calls")" -le $((before + 2))
kill -KILL -- "-$victim"

# An element of an array.
forget
rm "$work/victim"
victims
terminate 131072 1 LSB_JOBINDEX=7
is "$(grep -v bjobs "$calls")" "bchkpnt <-k> <-p> <0> <103[7]>" "an element of an array is called as LSF does"
kill -KILL -- "-$victim"
forget

# --- post-exec ---

# overrun STATE AT: the state as terminate, which was called AT, and echkpnt leave it.
overrun()
{
    printf '{"at":%d,"format":"bivouac-lsf-overrun 1","id":"103","next":0,"restarts":%d,"run_limit":60,"state":"%s"}\n' \
        "$2" "${restarts:-0}" "$1" >"$place/.bivouac-overrun"
}

# after STATE [VARIABLE=VALUE…]: the hook, long after terminate was called.
after()
{
    local state=$1

    shift
    [[ $state == keep ]] || overrun "$state" 1
    : >"$calls"
    status=0
    (cd /tmp && exec env -i PATH=/bin:/usr/bin:/usr/local/bin CALLS="$calls" LSB_JOBID=103 LSB_JOBINDEX=0 \
        LSB_CHKPNT_DIR="${dir-$place}" LS_SUBCWD="$work" LSB_JOBEXIT_STAT=9 LSF_BINDIR="$fake" ENABLE_ORUN_RESTART=Y \
        ORUN_TIMEOUT_SECONDS=1 "$@" bivouac lsf post-exec) </dev/null >out 2>&1 || status=$?
    is "$status$(<out)" 0 "post-exec after '$state' $*: status 0, and not a word"
}

touch "$place/chklog"
after checkpointed
is "$(<"$calls")" "brestart <-W> <60> <$ckpt> <103>" "brestart is called with the run limit"
is "$(state) $(jq .next "$place/.bivouac-overrun")" "restarted 4711" "the state has the new job"
after keep
is "$(<"$calls")" "" "called again, it does nothing"
dir=ckpt/103
touch "$place/chklog"
after checkpointed ORUN_RESTART_OPTIONS="-M 4000 -q long"
is "$(<"$calls")" "brestart <-W> <60> <-M> <4000> <-q> <long> <$ckpt> <103>" \
    "with a relative directory, and with what the user adds"
unset dir
for state in failed restarting restarted; do
    after "$state"
    is "$(<"$calls")" "" "after '$state' nothing is restarted"
done
after started
is "$(<"$calls")" "" "a checkpoint that never ends is waited for, and nothing is restarted"
restarts=2
after checkpointed
is "$(<"$calls")" "" "after ORUN_RESTART_LIMIT nothing is restarted"
restarts=0
after checkpointed ENABLE_ORUN_RESTART=
is "$(<"$calls")" "" "without ENABLE_ORUN_RESTART nothing is restarted"
after checkpointed LSB_JOBID=104
is "$(<"$calls")" "" "the state of another job is none of its"
after checkpointed LSB_CHKPNT_DIR=
is "$(<"$calls")" "" "without a checkpoint directory nothing is restarted"
touch "$place/chklog" "$calls.fail-brestart"
after checkpointed
is "$(state)" failed "brestart fails: the state says so"
like "$(tail -n 1 "$place/bivouac.log")" "not restarted: brestart failed: brestart: something is wrong" \
    "the log has what brestart said"
like "$(tail -n 1 "$place/bivouac.log")" "the checkpoint is good: 'brestart $ckpt 103' goes on from it" \
    "and what to do now"
rm "$calls.fail-brestart"
after keep
is "$(<"$calls")" "" "it is not called twice"

# What was there when terminate was called is of another checkpoint.
touch -d "1 hour ago" "$place/chklog"
overrun checkpointed "$(date +%s)"
: >"$calls"
LSB_JOBID=103 LSB_CHKPNT_DIR=$place LSF_BINDIR=$fake ENABLE_ORUN_RESTART=Y bivouac lsf post-exec &
sleep 1
is "$(<"$calls")" "" "what LSF published before is not what the hook waits for"
touch "$place/chklog"
wait "$!"
is "$(<"$calls")" "brestart <-W> <60> <$ckpt> <103>" "when the checkpoint is published, it is called"

# Two at once.
printf '{"at":%d,"format":"bivouac-lsf-overrun 1","id":"103","next":0,"restarts":0,"run_limit":0,"state":"checkpointed"}\n' \
    "$(date +%s)" >"$place/.bivouac-overrun"
: >"$calls"
touch "$place/chklog"
for _ in 1 2 3 4; do
    LSB_JOBID=103 LSB_CHKPNT_DIR=$place LSF_BINDIR=$fake ENABLE_ORUN_RESTART=Y bivouac lsf post-exec &
done
wait
is "$(<"$calls")" "brestart <$ckpt> <103>" "four at once restart it once; without a known limit, without -W"
finish_lsf
