#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac top: the jobs that run, once, as JSON, and on a terminal; supervisors that hang or are
# elsewhere do not hold it up.
# shellcheck disable=SC2016,SC2317 # a shell expands; functions are called by name
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

is "$(status_of bv top)" 103 "without a store: 103"
run_job over -- true
is "$(bv top)" "no job runs" "a job that has ended is not shown"
is "$(bv top --json | jq -c .)" '{"jobs":[]}' "nor in JSON"

hold one
one=$job_pid
hold two
two=$job_pid
ok "one is checkpointed" bv checkpoint one
bv top >table
sed 's/^/# /' table
like "$(sed -n 1p table)" '^JOB +ATTEMPT +HOST +ELAPSED +MEMORY +CPU +LAST +COST +EFFICIENCY +NEXT$' "the table has titles"
is "$(wc -l <table)" 3 "and a line for each job that runs"
like "$(grep '^one ' table)" '^one +0 +testbed +[0-9.]+ (s|min) .* @1 [0-9]+ s +[0-9.]+ % +[0-9.]+ % ' "the line of a job"
unlike "$(grep '^two ' table)" '@' "a job without checkpoints has no last one"

bv top --json >json
is "$(jq -c '[.jobs[].job]' json)" '["one","two"]' "--json: the jobs"
is "$(keys_of '.jobs[0]' <json)" \
    "age_s answers attempt attempts cost cpu_s efficiency elapsed_s generation here host job lease_left_s memory_bytes next_at next_why pid state store" \
    "--json: keys"
is "$(jq -c '.jobs[0] | [.generation, .answers, .here, .pid, .attempt]' json)" "[1,true,true,$one,0]" "--json: values"
is "$(jq '.jobs[0] | .elapsed_s > 0 and .age_s >= 0 and .cost > 0 and .cost < 1 and .efficiency > 0 and .efficiency <= 1' json)" \
    true "--json: figures"
is "$(jq '.jobs[0] | .memory_bytes > 100000 and .cpu_s >= 0' json)" true "--json: what the supervisor tells"
is "$(jq -c '.jobs[1] | [.generation, .age_s, .cost]' json)" '[null,null,0.0]' "--json: of one without checkpoints"

# Two stores.
mkdir -p other-dir
(cd other-dir && exec env --default-signal bivouac run --store "$work/other" --job three -- \
    sh -c 'echo ready; until test -e go; do sleep 0.05; done') </dev/null >other.out 2>other.err &
other=$!
require wait_for grep -qx ready other.out
is "$(bv top --store "$BIVOUAC_STORE" --store "$work/other" --json | jq -c '[.jobs[] | [.job, .store]]')" \
    "[[\"one\",\"$BIVOUAC_STORE\"],[\"two\",\"$BIVOUAC_STORE\"],[\"three\",\"$work/other\"]]" "two stores at once"
touch other-dir/go
wait "$other"

# A supervisor that hangs, with a queue of clients in front of it that is full.
kill -STOP "$one"
socket=$(jq -r .socket "$BIVOUAC_STORE/jobs/one/attempts/0000")
cat >crowd.py <<'END'
import socket, sys, time
crowd = []
for _ in range(64):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.setblocking(False)
    try:
        s.connect(sys.argv[1])
    except BlockingIOError:
        print("full", flush=True)
        break
    crowd.append(s)
time.sleep(600)
END
python3 crowd.py "$socket" >crowd.out &
crowd=$!
require wait_for grep -q full crowd.out
ok "a supervisor that hangs does not hold it up" timeout "$tap_deadline" bivouac top --json
bv top --json >json
is "$(jq -c '[.jobs[] | [.job, .answers]]' json)" '[["one",false],["two",true]]' "and the others are shown in full"
is "$(jq -c '.jobs[0] | [.generation, .memory_bytes, .next_at]' json)" '[1,null,null]' \
    "of one that hangs there is what the store knows"
like "$(bv top --once | grep '^one ')" '^one +0 +testbed +[0-9.]+ (s|min) +- +- +@1' "and '-' for the rest"
kill "$crowd"
kill -CONT "$one"
answers()
{
    [[ $(bv top --json | jq -c '[.jobs[].answers]') == '[true,true]' ]]
}
ok "when it goes on it is asked again" wait_for answers

# One that runs elsewhere.
attempt=$BIVOUAC_STORE/jobs/two/attempts/0000
cp "$attempt" saved
sed 's/"boot_id":"[^"]*"/"boot_id":"00000000-0000-0000-0000-000000000000"/; s/"host":"[^"]*"/"host":"far%1B"/' saved >"$attempt"
is "$(bv top --json | jq -c '.jobs[1] | [.job, .here, .answers, .memory_bytes]')" '["two",false,false,null]' \
    "one on another host is shown"
like "$(bv top | grep '^two ')" '^two +0 +far\\x1b +' "with its host, made safe"
cat saved >"$attempt"

# On a terminal.
mkfifo keys
script -qec "bivouac top --interval 0.2" /dev/null <keys >screen 2>&1 &
terminal=$!
exec 9>keys
drawn()
{
    (($(grep -ao 'EFFICIENCY' screen | wc -l) >= $1))
}
ok "on a terminal it is drawn" wait_for drawn 1
ok "and drawn anew" wait_for drawn 3
printf q >&9
wait "$terminal" && status=0 || status=$?
exec 9>&-
is "$status" 0 "q ends it"
like "$(<screen)" $'\e\\[\\?1049h.*\e\\[\\?1049l' "the terminal is as it was"
like "$(<screen)" '2 jobs, 20[0-9-]+ [0-9:]+Z' "the heading counts them"
script -qec 'stty cols 30; exec bivouac top --interval 0.2' /dev/null <keys >narrow 2>&1 &
terminal=$!
exec 9>keys
require wait_for grep -aq JOB narrow
printf '\003' >&9
wait "$terminal" && status=0 || status=$?
exec 9>&-
is "$status" 0 "so does Ctrl-C"
is "$(tr '\r' '\n' <narrow | sed 's/\x1b\[[?0-9]*[A-Za-z]//g' | awk 'length > 30' | wc -l)" 0 "no line is longer than the terminal"

# Refusals.
is "$(status_of bv top one)" 2 "an argument: usage"
is "$(status_of bv top --interval 0)" 2 "an interval of nothing: usage"
like "$(<err)" 'interval' "and says why"
is "$(status_of bv top --interval soon)" 2 "no duration: usage"
is "$(status_of bv top --store /nowhere --json)" 103 "a store that is not there: 103"
is "$(jq -r .error.name out)" BV_ESTORE "also in JSON"

# A job that cannot be read does not hide the others.
printf x >"$BIVOUAC_STORE/jobs/over/attempts/0001"
like "$(bv top | grep '^over ')" 'cannot be read: ' "a damaged job is named"
is "$(bv top | grep -c '^[ot][nw][eo] ')" 2 "and the others are shown"

for job_id in one two; do
    let_go "$job_id"
done
job_pid=$one job_wait
job_pid=$two job_wait
finish_jobs
