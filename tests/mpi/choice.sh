#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a job gets because of its command, how that is overridden, and what the library does in it.
# shellcheck disable=SC2016,SC2317 # functions are called by name; the job's shell expands
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# record_of ID FILTER
record_of()
{
    bv show "$1" --json | jq -r ".record | $2"
}

# A launcher of MPI programs is known by its name; here it is a script that prints its environment.
mkdir bin
printf '#!/bin/sh\nexec env\n' | tee bin/mpirun bin/mpiexec.hydra bin/other >/dev/null
chmod +x bin/*

run_job launcher -- bin/mpirun >launcher.env 2>launcher.err
is "$(record_of launcher '"\(.network) \(.preload)"')" "private true" "a launcher has a network of its own, and the library"
like "$(<launcher.err)" 'bin/mpirun starts MPI programs: the job gets a network of its own' "the network is told"
ok "its programs load the library" grep -qx 'LD_PRELOAD=/dev/shm/.bivouac/keep.so' launcher.env
while read -r variable; do
    ok "it has what show lists: $variable" grep -qxF -- "$variable" launcher.env
done < <(record_of launcher '.environment[]')
ok "show lists them" grep -qE '^environ +UCX_' <(bv show launcher)
is "$(jq -c 'select(.event == "submitted") | .environment' "$BIVOUAC_STORE/jobs/launcher/events.jsonl")" \
    "$(record_of launcher '.environment | tojson')" "and so does the history"
run_job hydra -- bin/mpiexec.hydra >hydra.env 2>/dev/null
is "$(record_of hydra .network)" private "so has another launcher"
run_job other -- bin/other >other.env 2>other.err
is "$(record_of other '"\(.network) \(.preload)"')" "host false" "any other command has neither"
is "$(record_of other '.environment | join(" ")')" UCX_VFS_ENABLE=n "and is told only what hurts nobody"
is "$(<other.err)" "" "nothing is said"

# Who says something else gets it.
run_job host --network host --preload no -- bin/mpirun >host.env 2>host.err
is "$(record_of host '"\(.network) \(.preload)"')" "host false" "options are obeyed"
is "$(<host.err)" "" "in silence"
unlike "$(<host.env)" LD_PRELOAD "without the library"
BIVOUAC_NETWORK=host run_job variable -- bin/mpirun >/dev/null 2>&1
is "$(record_of variable .network)" host "a variable is obeyed"
run_job forced --preload yes --network private -- bin/other >forced.env 2>/dev/null
ok "any command may have the library" grep -qx 'LD_PRELOAD=/dev/shm/.bivouac/keep.so' forced.env
UCX_VFS_ENABLE=y UCX_TLS=tcp run_job kept -- bin/mpirun >kept.env 2>/dev/null
ok "a variable that is set is left alone" grep -qx 'UCX_TLS=tcp' kept.env
ok "every one" grep -qx 'UCX_VFS_ENABLE=y' kept.env
unlike "$(record_of kept '.environment | join(" ")')" 'UCX_' "and not listed"
UCX_TLS=tcp run_job option --env UCX_TLS=self --env A=b=c --env EMPTY= -- bin/mpirun >option.env 2>/dev/null
is "$(grep -E '^(UCX_TLS|A|EMPTY)=' option.env | sort | tr '\n' ' ')" "A=b=c EMPTY= UCX_TLS=self " \
    "--env counts more than the environment"
LD_PRELOAD=libm.so.6 run_job two -- bin/mpirun >two.env 2>/dev/null
ok "another library is loaded, too" grep -qx 'LD_PRELOAD=/dev/shm/.bivouac/keep.so:libm.so.6' two.env
for bad in =x NAME ''; do
    is "$(status_of bv run --env "$bad" -- true)" 2 "--env '$bad' is refused"
done

# What the library does: one program that checks it from within, through a restart.
program=/usr/local/libexec/bivouac/tests/deleted
ok "without the library a deleted mapping is in the way" test -x "$program"
start_job without --preload no -- "$program"
require wait_for says without ready
is "$(status_of bv checkpoint without --kill)" 115 "a checkpoint is refused"
like "$(<err)" 'has been deleted' "with the reason"
like "$(bv preflight without --json | jq -r '.findings[].remedy' | tr '\n' ' ')" '--preload yes' "and what helps"
touch without/go without/end
job_wait
is "$job_status" 0 "the program itself is content"
start_job with --preload yes -- "$program"
require wait_for says with ready
for round in 1 2 3; do
    ok "round $round: with the library it is checkpointed and ended" job_checkpoint --kill
    job_wait
    is "$job_status" 85 "it has ended"
    start_job with --preload yes -- "$program"
done
ok "and verified to the last page" bv verify --deep with
let_go with
require wait_for says with 'done'

# Nothing is kept for longer than somebody uses it. The job's files are seen by way of one of its processes.
deleted_files()
{
    local pid

    pid=$(pgrep -n -x deleted) && ls "/proc/$pid/root/dev/shm/.bivouac/deleted"
}
none_left()
{
    [[ -z $(deleted_files) ]]
}
ok "what nobody uses any more is removed" wait_for none_left
touch with/end
job_wait
is "$job_status" 0 "the program found everything as it should be"
finish_jobs
