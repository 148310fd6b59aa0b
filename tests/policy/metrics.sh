#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac metrics: what Prometheus' node exporter takes, whatever the names, and never a half of it.
# shellcheck disable=SC2016,SC2317 # a shell expands; functions are called by name
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

exposition=/src/tests/policy/lib/exposition

is "$(status_of bv metrics)" 103 "without a store: 103"
run_job over -- sh -c 'exit 3' || :
hold live
ok "a checkpoint" bv checkpoint live
hold cut
require job_crash
bv metrics >metrics.prom
ok "it is Prometheus' text format" "$exposition" metrics.prom
if command -v promtool >/dev/null; then
    ok "promtool says so, too" bash -c 'promtool check metrics <metrics.prom'
fi
"$exposition" metrics.prom >samples || :

# sample NAME [JOB]
sample()
{
    awk -v name="$1" -v job="${2:+\"job\": \"$2\"}" '$1 == name && (job == "" || index($0, job)) { print $NF }' samples
}
is "$(sample bivouac_job_running live)" 1 "a job that runs"
is "$(sample bivouac_job_running over)" 0 "one that does not"
is "$(sample bivouac_job_attempts_total live)" 1 "attempts"
is "$(sample bivouac_job_checkpoints_total live)" 1 "checkpoints"
is "$(sample bivouac_job_checkpoints_total over)" 0 "none"
is "$(sample bivouac_checkpoint_generation live)" 1 "the last checkpoint"
is "$(sample bivouac_checkpoint_generation over)" "" "no sample where there is none"
event()
{
    jq -r "select(.event == \"checkpointed\") | $1" "$BIVOUAC_STORE/jobs/live/events.jsonl"
}
same_number()
{
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && b != "" && (a - b) ^ 2 < 1e-12) }'
}
for pair in freeze:frozen drain:drain write:write sync:sync duration:total; do
    ok "its ${pair%:*}_seconds are those of the history" \
        same_number "$(sample "bivouac_checkpoint_${pair%:*}_seconds" live)" "$(event ".${pair#*:}_s")"
done
for key in raw new stored; do
    is "$(sample "bivouac_checkpoint_${key}_bytes" live)" "$(event ".${key}_bytes")" "its ${key}_bytes, too"
done
ok "when it was made" awk -v t="$(sample bivouac_checkpoint_timestamp_seconds live)" -v now="$(date +%s)" \
    'BEGIN { exit !(t > now - 600 && t <= now + 1) }'
states=$(awk '$1 == "bivouac_jobs" && $NF != 0' samples | sed -E 's/.*"state": "([a-z]+)".* /\1 /' | sort | tr '\n' ' ')
is "$states" "ended 1 interrupted 1 running 1 " "jobs by state"
ok "the store has a size" test "$(sample bivouac_store_size_bytes)" -gt 0
is "$(sample bivouac_build_info)" 1 "the version"
is "$(grep -c '^# TYPE bivouac_.*_total counter$' metrics.prom)" 9 "there are counters"

# Into a file, as a collector reads it.
umask 022
ok "into a file" bv metrics --output "$work/out.prom"
ok "which is the same" "$exposition" out.prom
is "$(stat -c %a out.prom)" 644 "the collector may read it"
is "$(find . -maxdepth 1 -name '.*.new')" "" "nothing else is left"
before=$(stat -c %i out.prom)
exec 8<out.prom
ok "again" bv metrics --output out.prom
isnt "$(stat -c %i out.prom)" "$before" "it is a new file"
cat <&8 >old.prom
ok "and whoever reads the old one has all of it" "$exposition" old.prom
exec 8<&-
is "$(status_of bv metrics --output /nowhere/out.prom)" 2 "a directory that is not there: 2"
is "$(status_of bv metrics --output /dev/null)" 2 "a device: 2"
like "$(<err)" 'no regular file' "and says why"
ln -s out.prom link.prom
is "$(status_of bv metrics --output link.prom)" 2 "a symbolic link: 2"
mkdir closed
chmod 500 closed
is "$(status_of bv metrics --output closed/out.prom)" 103 "a directory that is not ours to write: 103"
like "$(<err)" 'closed/out.prom' "and says which"
is "$(status_of bv metrics now)" 2 "an argument: usage"

# Names that would break the format.
bad=$work/$'st"or\\e\nx\xff'
(cd "$work" && bivouac run --store "$bad" --job j -- true)
ok "a store with a hostile name is carried" bv metrics --store "$bad" --output bad.prom
ok "in the same format" "$exposition" bad.prom
"$exposition" bad.prom >samples || :
is "$(grep '^bivouac_job_running' samples | sed -E 's/^[a-z_]+ (\{.*\}) .*/\1/' | jq -r .store)" \
    "$work/st\"or\\e\\x0ax\\xff" "and nothing of it is lost"

# A damaged job is counted, and hides nothing.
printf x >"$BIVOUAC_STORE/jobs/over/attempts/0001"
bv metrics >metrics.prom
"$exposition" metrics.prom >samples || :
is "$(sample bivouac_unreadable_jobs)" 1 "a damaged job is counted"
is "$(sample bivouac_job_running live)" 1 "and the others are told of"

job_id=live
job_pid=$(jq -r .pid "$BIVOUAC_STORE/jobs/live/attempts/0000")
let_go live
ok "the job ends" wait_for is_gone "$job_pid"
start_job cut -- ignored
finish_job cut
finish_jobs
