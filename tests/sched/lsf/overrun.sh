#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Jobs that reach their run limit: saved, killed and restarted by the hooks of the queue; what else ends a job ends it.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/sched/lsf/lib/lsf.sh
needs_driver "minutes of a few seconds"

export LSF_SIM_MINUTE=6 # s; the limit of one minute comes soon
export ENABLE_ORUN_CHKPNT=Y ENABLE_ORUN_RESTART=Y

# next_of ID: the job that goes on with it.
next_of()
{
    local next

    next=$(jq -r .next "$(dirname "$(find "$ckpt" -name .bivouac-overrun)")/.bivouac-overrun")
    [[ $next != 0 && $next != "$1" ]] && printf '%s\n' "$next"
}

has_next()
{
    next_of "$1"
}

log_has()
{
    grep -qE "$1" "$ckpt"/*/bivouac.log
}

fresh()
{
    rm -rf "$ckpt"
}

# Two restarts are allowed: three runs, and the job is done in them. It waits for each, so that it takes no less.
cat >chain <<'END'
#!/bin/bash
for ((i = 1; i <= 150; i++)); do
    echo "tick $i"
    sleep 0.05
    ((i % 50 || i == 150)) || until [[ -e gate.$i ]]; do sleep 0.05; done
done
exit 7
END
chmod +x chain
job=$(submit -q orun -W 1 -k "$ckpt method=bivouac" ./chain)
first=$job
began=$SECONDS
for run in 1 2; do
    is "$(ended "$job")" "Exited by signal 9" "run $run ends at its limit"
    ok "and is restarted" wait_for has_next "$job"
    job=$(next_of "$job")
    like "$(bjobs -l "$job")" 'RUNLIMIT
 1.0 min' "with the limit that it had"
    ok "as a job of its own" wait_for hist_has "$job" Starting
    touch "gate.$((50 * run))"
done
is "$(ended "$job")" "Exited with exit code 7" "the third run ends by itself, with the job's status"
took=$((SECONDS - began))
whole "all 150 lines are there once" "$job" 150
is "$(jq -r '.restarts, .state' "$ckpt/$job/.bivouac-overrun" | tr '\n' ' ')" "1 restarted " "two restarts are counted"
history=$(bivouac show "lsf-$first" --store "$ckpt/$job/.bivouac" --json)
is "$(jq -c '[.events[] | select(.event == "checkpointed") | .why]' <<<"$history")" '["overrun","overrun"]' \
    "the history says why it was checkpointed"
is "$(jq '[.events[] | select(.event == "started" or .event == "restarted")] | length' <<<"$history")" 3 \
    "and has three runs"
history=$(bivouac history "lsf-$first" --store "$ckpt/$job/.bivouac" --json)
is "$(jq -c '[.attempts[] | .running_s > 0]' <<<"$history")" '[true,true,true]' "bivouac history has how long each ran"
# shellcheck disable=SC2016
ok "and the time of all of them together" jq -e --argjson took "$took" \
    '([.attempts[].running_s] | add) as $sum | .totals.running_s
     | . > 7.5 and . <= $took + 1 and (. - $sum | fabs) < 0.01' <<<"$history"
like "$(bivouac history "lsf-$first" --store "$ckpt/$job/.bivouac")" 'ran +[0-9.]+ s in 3 attempts, 2 checkpoints' \
    "which people can read"

# One restart is allowed, which is not enough.
fresh
job=$(ORUN_RESTART_LIMIT=1 submit -q orun -W 1 -k "$ckpt method=bivouac" ./count 3000)
is "$(ended "$job")" "Exited by signal 9" "ORUN_RESTART_LIMIT=1: the first run is saved"
ok "and restarted" wait_for has_next "$job"
job=$(next_of "$job")
ok "it runs" wait_for hist_has "$job" Starting
unlike "$(ended "$job")" "signal 9" "at its limit again, it is ended as LSF would"
is "$(hist_count "$job" "Checkpoint")" 0 "without a checkpoint"
is "$(next_of "$first")" "$job" "and not restarted"

# Without a restart: saved, and that is all.
fresh
job=$(ENABLE_ORUN_RESTART=n submit -q orun -W 1 -k "$ckpt method=bivouac" ./count 3000)
is "$(ended "$job")" "Exited by signal 9" "without ENABLE_ORUN_RESTART: saved"
is "$(jq -r .state "$ckpt/$job/.bivouac-overrun")" checkpointed "and left alone"
ticks=$(bpeek "$job" | grep -c '^tick ')
job=$(restart "$ckpt" "$job")
ok "brestart by hand goes on from there" reached "$job" $((ticks + 5))
bkill "$job" >/dev/null
like "$(ended "$job")" '^Exited with exit code (130|143)' "bkill ends it"
sleep 1
is "$(jq -r .next "$ckpt/$job/.bivouac-overrun")" 0 "and nothing restarts it"

# Without anything: ended.
fresh
job=$(ENABLE_ORUN_CHKPNT=n submit -q orun -W 1 -k "$ckpt method=bivouac" ./count 3000)
unlike "$(ended "$job")" "signal 9" "without ENABLE_ORUN_CHKPNT: ended at its limit"
is "$(hist_count "$job" "Checkpoint")" 0 "without a checkpoint"

# A checkpoint that fails.
fresh
job=$(submit -q orun -W 1 -k "$ckpt method=bivouac" ./count 3000)
first=$job
require reached "$job" 3
chmod 0500 "$ckpt/$job/.bivouac/jobs/lsf-$job"
like "$(ended "$job")" '^Exited' "a checkpoint that fails: the job is ended"
chmod 0700 "$ckpt/$job/.bivouac/jobs/lsf-$job"
is "$(hist_count "$job" "Checkpoint failed")" 1 "LSF was told that it failed"
is "$(jq -r '.state, .next' "$ckpt/$job/.bivouac-overrun" | tr '\n' ' ')" "failed 0 " "and nothing is restarted"
ok "the log says so" log_has "the checkpoint failed: the job is ended"

# A checkpoint that does not come: bchkpnt does nothing.
fresh
rm "$LSF_BINDIR/bchkpnt"
printf '#!/bin/sh\nexit 0\n' >"$LSF_BINDIR/bchkpnt"
chmod +x "$LSF_BINDIR/bchkpnt"
job=$(ORUN_TIMEOUT_SECONDS=3 submit -q orun -W 1 -k "$ckpt method=bivouac" ./count 3000)
like "$(ended "$job")" '^Exited' "ORUN_TIMEOUT_SECONDS expires: the job is ended"
ok "the log says so" log_has "took longer than ORUN_TIMEOUT_SECONDS"
is "$(jq -r .state "$ckpt/$job/.bivouac-overrun")" failed "it is not said to be saved"
finish_lsf
