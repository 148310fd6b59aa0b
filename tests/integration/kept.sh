#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a roll-back would overwrite is kept aside, whole, and show tells where; what crashes leave in the store is swept.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# A program that keeps three files: one it appends to, one it writes in place, one it replaces.
cat >program.py <<'END'
import os, sys, time
log = open("log", "a")
place = open("place", "r+" if os.path.exists("place") else "w+")
print("before", file=log, flush=True)
place.write("A" * 8192); place.flush(); place.seek(4096)
open("out", "w").write("old\n")
print("ready", flush=True)
while not os.path.exists("go.1"): time.sleep(0.02)
print("behind", file=log, flush=True)
place.write("B" * 100); place.flush()
open("new", "w").write("new\n")
print("written", flush=True)
while not os.path.exists("go.2"): time.sleep(0.02)
print("end", file=log, flush=True)
END
start_job one --capture "$work/one" --no-capture 'go.*' -- python3 -u "$work/program.py"
require wait_for says one ready
ok "a checkpoint" bv checkpoint one
touch one/go.1
require wait_for says one written
cp -a one crashed
require job_crash
rm one/go.1
start_job one --capture "$work/one" -- python3 -u "$work/program.py"
ok "it is restarted" wait_for is_state one running
is "$(<one/log)" before "what was appended is cut off again"
is "$(head -c 4196 one/place | tail -c 100)" "$(printf 'A%.0s' {1..100})" "what was written in place is put back"
ok "a file that came later is moved aside" test ! -e one/new

# show.
bv show one >text
bv show one --json >json
like "$(<text)" 'kept aside at restarts \(below jobs/one of the store\)' "show tells that something was kept aside"
is "$(keys_of '.kept[0]' <json)" "attempt event files host kept_in time" "show --json: keys of what was kept"
is "$(jq -r '.kept[0].kept_in' json)" kept/0001 "below the attempt that kept it"
kept_of()
{
    jq -r --arg path "$work/one/$1" '.kept[0] as $k | $k.files[] | select(.path == $path) | "\($k.kept_in)/\(.kept)"' json
}
for name in log place new; do
    where=$(kept_of "$name")
    ok "show --json tells where $name is" test -n "$where"
    ok "show tells it, too" grep -qF "  $where  " text
    ok "it is there" test -f "$BIVOUAC_STORE/jobs/one/$where"
done
same_file "$BIVOUAC_STORE/jobs/one/$(kept_of place)" crashed/place "what was overwritten is kept whole"
same_file "$BIVOUAC_STORE/jobs/one/$(kept_of new)" crashed/new "so is what was moved aside"
log_kept=$BIVOUAC_STORE/jobs/one/$(kept_of log)
ok "and of what was cut off at least the end" cmp <(tail -c "$(stat -c %s "$log_kept")" crashed/log) "$log_kept"
ok "which is not empty" test -s "$log_kept"
is "$(jq -c '[.kept[0].files[] | keys - ["from"] == ["bytes","kept","path","why"]] | all' json)" true "each has its keys"
touch one/go.1 one/go.2
job_wait
is "$job_status $(tr '\n' ' ' <one/log)" "0 before behind end " "the job ends as if nothing had happened"
is "$(find "$BIVOUAC_STORE/jobs/one/kept" -type f -perm /077)" "" "nobody else may read what was kept"
ok "delete removes it all" bv delete one
ok "indeed" test ! -e "$BIVOUAC_STORE/jobs/one"

# A restart that overwrites nothing keeps nothing. Bivouac's own words go elsewhere: a file that the job has as its
# standard error is rolled back with all that is in it.
mkdir two
job_id=two
(cd two && exec bivouac run --job two -- sh -c 'echo ready; until test -e go; do sleep 0.05; done; exit 5' 2>/dev/null) \
    >two.out </dev/null &
job_pid=$!
require wait_for says two ready
ok "a checkpoint that ends the job" bv checkpoint two --kill
job_wait
job_start "$work/two" two -- sh
finish_job two
is "$(bv show two --json | jq -c .kept)" "[]" "a restart that overwrites nothing keeps nothing"
ok "not even an empty directory" test ! -e "$BIVOUAC_STORE/jobs/two/kept/0001"

# Left by crashes of earlier attempts.
hold three
ok "a checkpoint" bv checkpoint three
require job_crash
mkdir "$BIVOUAC_STORE/jobs/three/.staging-0000" "$BIVOUAC_STORE/jobs/three/.000002.0000"
echo left >"$BIVOUAC_STORE/jobs/three/.staging-0000/pages-1.img"
echo left >"$BIVOUAC_STORE/jobs/three/.000002.0000/pack-000002.bvp"
is "$(generations_of three)" 1 "what was not committed is not shown"
job_start "$work/three" three -- sh
finish_job three
is "$job_status" 5 "the job is restarted and ends"
is "$(find "$BIVOUAC_STORE/jobs/three" -name '.*' ! -path '*/attempts/.now')" "" \
    "what crashes have left is gone"
finish_jobs
