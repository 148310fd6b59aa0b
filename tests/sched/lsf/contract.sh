#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The methods and hooks called by hand, as LSF would and as it would not: arguments, environment, what they write.
# shellcheck disable=SC2317
set -euo pipefail
. /src/tests/sched/lsf/lib/lsf.sh
needs_driver "it calls the methods itself, as LSF would"

echkpnt=$LSF_SERVERDIR/echkpnt.bivouac
erestart=$LSF_SERVERDIR/erestart.bivouac

job=$(submit -k "$ckpt method=bivouac" ./count 3000)
require reached "$job" 5
pgid=$(jq -r .pgid "$LSF_SIM/jobs/$job.json")
place=$ckpt/$job

# method CMD…: in the base directory, with the environment of job's; its output goes to "said".
method()
{
    local status=0

    mkdir -p "$ckpt/$job.tmp"
    (cd "$ckpt" && LSB_JOBID=$job LSB_JOBINDEX=0 LSB_CHKPNT_DIR=${dir-$place} "$@") >said 2>&1 </dev/null || status=$?
    printf '%s' "$status"
}

count_generations()
{
    generations "$ckpt/$job" | wc -l
}

# --- arguments of echkpnt ---

refused()
{
    local name=$1 before after

    shift
    before=$(generations "$place")
    isnt "$(method "$echkpnt" "$@")" 0 "echkpnt $name: refused"
    after=$(generations "$place")
    is "$after$(<said)" "$before" "echkpnt $name: no checkpoint, and not a word"
}

refused "without arguments"
refused "with an unknown option" -q -d "$job.tmp" "$pgid"
refused "with -k and -s" -k -s -d "$job.tmp" "$pgid"
refused "with a group that is no number" -d "$job.tmp" "${pgid}x"
refused "with a negative group" -d "$job.tmp" "-$pgid"
refused "with group 1" -d "$job.tmp" 1
refused "with group 0" -d "$job.tmp" 0
refused "with a huge group" -d "$job.tmp" 99999999999999999999
refused "with two groups" -d "$job.tmp" "$pgid" "$pgid"
refused "with another group" -d "$job.tmp" "$$"
refused "with the group of another user" -d "$job.tmp" 2
refused "with -d of another job" -d "999.tmp" "$pgid"
refused "with -d that ends in nothing" -d "$job" "$pgid"
refused "with -d that is only .tmp" -d .tmp "$pgid"
refused "with -d of the parent" -d "...tmp" "$pgid"
refused "with -d but no value" "$pgid" -d
dir=relative/$job refused "without -d and a relative LSB_CHKPNT_DIR" "$pgid"
mkdir -m 0700 "$ckpt/4711"
refused "with a directory where no job runs" -d 4711.tmp "$pgid"
is "$(cd "$ckpt" && LSB_JOBID=104711 "$echkpnt" -d "$job.tmp" "$pgid" >said 2>&1 || echo refused)" refused \
    "echkpnt with another LSB_JOBID: refused"
is "$(cd "$ckpt" && LSB_JOBID=x "$echkpnt" -d "$job.tmp" "$pgid" >said 2>&1 || echo refused)" refused \
    "echkpnt with an LSB_JOBID that is none: refused"

for arguments in "-d $job.tmp" "-c -f -x -d $job.tmp" "-cf -d $job.tmp" "-d$job.tmp"; do
    before=$(count_generations)
    # shellcheck disable=SC2086
    is "$(method "$echkpnt" $arguments "$pgid")" 0 "echkpnt $arguments PGID: a checkpoint"
    is "$(find "$ckpt/$job.tmp" -mindepth 1 -printf '%y %f\n')" "f bivouac.checkpoint" "one flat file is left for LSF"
    is "$(<said)" "" "and nothing is said"
done
is "$(method "$echkpnt" "$pgid")" 0 "echkpnt PGID, with LSB_CHKPNT_DIR: a checkpoint"
dir=relative/$job
is "$(method "$echkpnt" -d "$job.tmp" "$pgid")" 0 "echkpnt -d with a relative LSB_CHKPNT_DIR: a checkpoint"
unset dir
is "$(method env -i "$echkpnt" -d "$job.tmp" "$pgid")" 0 "echkpnt without any environment: a checkpoint"
is "$(method env LSB_CHKPNT_PERIOD=99999999999999999999999 LSB_JOBINDEX= LSB_ECHKPNT_METHOD=$'a\nb' \
    "$echkpnt" -d "$job.tmp" "$pgid")" 0 "echkpnt with a strange environment: a checkpoint"
ok "the newest ones are kept" test "$(count_generations)" -ge 1

# Signals that LSF has its methods ignore are not ignored by what they start; two at once are both served.
method "$echkpnt" -d "$job.tmp" "$pgid" >one &
is "$(method "$echkpnt" -d "$job.tmp" "$pgid")" 0 "one of two at once"
wait -n || :
is "$(<one)" 0 "and the other"

# A method whose child is killed while it waits for an answer: the supervisor sleeps, so that it does.
has_child()
{
    child=$(pgrep -P "$victim")
}

supervisor=$(pgrep -o -x bivouac)
kill -STOP "$supervisor"
(cd "$ckpt" && LSB_JOBID=$job exec "$echkpnt" -d "$job.tmp" "$pgid") >/dev/null 2>&1 &
victim=$!
require wait_for has_child
kill -KILL "$child"
status=0
wait "$victim" || status=$?
isnt "$status" 0 "echkpnt whose child is killed fails"
kill -CONT "$supervisor"

# One that is killed altogether: LSF takes it for success, whatever comes of it.
for delay in 0 0.02 0.05 0.1 0.2; do
    (cd "$ckpt" && LSB_JOBID=$job exec "$echkpnt" -d "$job.tmp" "$pgid") >/dev/null 2>&1 &
    victim=$!
    sleep "$delay"
    { kill -KILL "$victim" && wait "$victim"; } 2>/dev/null || :
    ok "echkpnt is killed after $delay s: what there is verifies" bivouac verify "lsf-$job" --store "$place/.bivouac"
done
ok "the job goes on" reached "$job" 20
idle()
{
    [[ $(method "$echkpnt" -d "$job.tmp" "$pgid") == 0 ]]
}
ok "and is checkpointed again" wait_for idle

# -s leaves it stopped.
is "$(method "$echkpnt" -s -d "$job.tmp" "$pgid")" 0 "echkpnt -s"
stopped()
{
    [[ $(ps -C count -o stat=) == T* ]]
}
not_stopped()
{
    ! stopped
}
ok "leaves the job stopped" wait_for stopped
kill -CONT -- "-$pgid"
ok "until it is continued" wait_for not_stopped

# --- erestart ---

isnt "$(method "$erestart")" 0 "erestart without a job: refused"
isnt "$(method "$erestart" -k "$job")" 0 "erestart with an unknown option: refused"
isnt "$(method "$erestart" "$job/..")" 0 "erestart with what is no job: refused"
isnt "$(method "$erestart" "$job")" 0 "erestart of a job that runs: refused"
isnt "$(method "$erestart" -f "$job")" 0 "erestart -f, too"
ok "without .restart_cmd" test ! -e "$place/.restart_cmd"
like "$(tail -n 1 "$place/bivouac.log")" "refused: job lsf-$job is still running on host .* \(pid [0-9]+\)" \
    "the log says why"

is "$(method "$echkpnt" -c -k -d "$job.tmp" "$pgid")" 0 "echkpnt -k"
is "$(ended "$job")" "Exited by signal 9" "has killed the group"
is "$(method "$erestart" "$job")" 0 "erestart of a job that has ended"
program=$(readlink -f /usr/local/bin/bivouac)
is "$(cat -A "$place/.restart_cmd")" "LSB_RESTART_CMD=exec '$program' lsf restart '$place'\$" \
    ".restart_cmd has exactly one line"
like "$(LSB_USE_MY_JOBFILE=Y method env LSB_CHKFILENAME="$(find "$place" -name "*.$job" -type f)" "$erestart" "$job"
    cat "$place/.restart_cmd")" "^0LSB_RESTART_CMD=$place/bivouac.jobfile
LSB_USE_MY_JOBFILE=Y\$" "LSB_USE_MY_JOBFILE=Y: a job file is named"
is "$(tail -n 1 "$place/bivouac.jobfile")" "exec '$program' lsf restart '$place'" "in which the restart is what the user wants"

# A path that needs quoting, and one that is too long for LSF.
strange="$work/it's a \$(dir)"
mkdir -p "$strange"
cp -a "$place" "$strange/$job"
(cd "$strange" && env -i "$erestart" "$job") || not_ok "erestart in a strange path"
is "$(sed "s/.* restart //" "$strange/$job/.restart_cmd")" "'$work/it'\\''s a \$(dir)/$job'" "a path is quoted"
eval "printf '%s\n' $(sed "s/.* restart //" "$strange/$job/.restart_cmd")" >path
is "$(<path)" "$strange/$job" "and is what a shell makes of it"
long=$work/$(printf 'x%.0s' {1..250})/$(printf 'y%.0s' {1..250})
mkdir -p "$long"
cp -a "$place" "$long/$job"
isnt "$(cd "$long" && env -i "$erestart" "$job" >said 2>&1 || echo $?)" "" "a path that is too long for LSF: refused"
ok "without .restart_cmd" test ! -e "$long/$job/.restart_cmd"
finish_lsf
