#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Standard input, output and error of every kind: the bytes are those of a bare run.
# shellcheck disable=SC2016,SC2317 # the job's shell expands; functions are called by name
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

digest()
{
    sha256sum | cut -d' ' -f1
}

# Input.
seq 1 100000 >input
expected=$(digest <input)
is "$(run_job in-file -- sha256sum <input 2>/dev/null | cut -d' ' -f1)" "$expected" "input from a file"
is "$(seq 1 100000 | run_job in-pipe -- sha256sum | cut -d' ' -f1)" "$expected" "input from a pipe"
is "$(run_job in-null -- wc -c </dev/null)" 0 "input from /dev/null"
is "$(run_job in-closed -- wc -c <&-)" 0 "a closed input is empty"
is "$(printf 'no newline' | run_job in-short -- cat)" "no newline" "a last line without its newline"
mkfifo fifo
cat input >fifo &
is "$(run_job in-fifo -- sha256sum <fifo | cut -d' ' -f1)" "$expected" "input from a named pipe"
wait $!
{
    read -r first
    run_job in-rest -- head -n 2
} <input >rest
is "$first $(tr '\n' ' ' <rest)" "1 2 3 " "a job reads a file from where its caller has come to"

# Output, tens of megabytes.
bytes=$((40 << 20))
big=(sh -c "yes 'a line that is often repeated' | head -c $bytes")
expected=$("${big[@]}" | digest)
is "$(run_job out-pipe -- "${big[@]}" | digest)" "$expected" "40 MiB to a pipe"
run_job out-file -- "${big[@]}" >big
is "$(digest <big)" "$expected" "40 MiB to a file"
is "$(head -c "$bytes" big | run_job through -- cat | digest)" "$expected" "40 MiB in and out"
is "$(run_job out-slow -- "${big[@]}" | (head -c 100000; sleep 0.3; cat) | digest)" "$expected" \
    "40 MiB to a reader that pauses"
rm big
echo first >appended
run_job out-append -- echo second >>appended
is "$(<appended)" $'first\nsecond' "a file is appended to"
{
    echo before
    run_job out-shared -- echo job
    echo behind
} >shared
is "$(<shared)" $'before\njob\nbehind' "who shares the descriptor goes on behind the job"
is "$(status_of bash -c 'bivouac run --job out-closed -- echo lost >&-')" 0 "a closed output takes what is written"
is "$(status_of bash -c 'bivouac run --job out-all -- sh -c "cat; echo lost; echo lost >&2" <&- >&- 2>&-')" 0 \
    "so do all three"
is "$(status_of bash -c 'bivouac run --job out-full -- cat input >/dev/full')" \
    "$(status_of bash -c 'cat input >/dev/full')" "an output that cannot be written fails as in a bare run"

# The order of both in one pipe.
talk='for i in $(seq 1 2000); do echo out $i; echo err $i >&2; done'
run_job order -- bash -c "$talk" 2>&1 | cat >order.job
bash -c "$talk" 2>&1 | cat >order.bare
same_file order.job order.bare "standard output and error in one pipe keep their order"
run_job apart -- bash -c "$talk" 2>apart.err | cat >apart.out
is "$(wc -l <apart.out) $(grep -c '^err' apart.err)" "2000 2000" "in two they stay apart"

# A reader that goes away.
set +o pipefail
run_job gone -- seq 1 10000000 2>/dev/null | head -n 1 >gone.out
is "${PIPESTATUS[0]} $(<gone.out)" "141 1" "when the reader goes away the job dies of SIGPIPE"
is "$(bv show gone --json | jq -c .outcome)" '{"number":13,"status":"signaled"}' "as its history says"
run_job stays -- bash -c 'trap "" PIPE; seq 1 1000000 2>/dev/null; exit 4' 2>/dev/null | head -n 1 >/dev/null
is "${PIPESTATUS[0]}" 4 "one that ignores SIGPIPE gets an error"
set -o pipefail

# A reader that does not read: the job has ended, its output waits, and the attempt stays in charge. A signal ends it.
mkfifo unread
exec {unread}<>unread
env --default-signal bivouac run --job late --lease 3s -- sh -c 'seq 1 20000; touch over; exit 6' </dev/null >unread &
job_pid=$!
has_ended()
{
    test -e over && ! pgrep -P "$job_pid" -x bivouac-init
}
require wait_for has_ended
touch moment
ok "while nobody reads what a job has left, its lease is renewed" \
    wait_for test "$BIVOUAC_STORE/jobs/late/attempts/0000" -nt moment
ok "and the attempt waits" job_runs
kill -TERM "$job_pid"
job_wait
is "$job_status" 6 "a signal ends it as the job has ended"
is "$(bv show late --json | jq -c .outcome)" '{"number":6,"status":"exited"}' "which is recorded"
exec {unread}<&-

# Nobody waits for an input that the job does not read.
mkfifo never
exec {never}<>never
is "$(status_of run_job idle -- true <never)" 0 "a job that does not read its input ends"
echo rest >&"$never"
is "$(timeout 5 head -n 1 <never)" rest "and what it did not read stays for the next"
exec {never}<&-
finish_jobs
