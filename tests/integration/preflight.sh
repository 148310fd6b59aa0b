#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac preflight: what it finds in a job, in a process and in a command on trial, and that it is right.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# Each opens one thing, says "ready" and waits to be let go.
cat >things.py <<'END'
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def clean():
    return open("file", "w")
def io_uring():
    fd = libc.syscall(425, 8, ctypes.create_string_buffer(256))
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd
def inotify():
    fd = libc.inotify_init1(0)
    assert libc.inotify_add_watch(fd, b".", 0x100) >= 0
    return fd
def unix_outside():
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[2]); return s
def tcp_outside():
    s = socket.create_connection(("127.0.0.1", int(sys.argv[2]))); return s
def semaphore():
    return libc.eventfd(1, 1)
thing = globals()[sys.argv[1]]()
print("ready", flush=True)
while not os.path.exists("go"): time.sleep(0.02)
END
thing=(python3 -u "$work/things.py")

# A job: finds NAME TOPIC WEIGHT STATUS WORDS -- ARGUMENT…
finds_in_job()
{
    local name=$1 topic=$2 weight=$3 status=$4 words=$5

    shift 6
    start_job "$name" -- "${thing[@]}" "$@"
    require wait_for says "$name" ready
    is "$(status_of bv preflight "$name")" "$status" "$name: preflight of the job: $status"
    like "$(<out)" "^$weight +pid [0-9]+ \(python3\): .*$words" "$name: it says what, in words"
    is "$(status_of bv preflight "$name" --json)" "$status" "$name: --json: $status"
    is "$(keys_of . <out) / $(keys_of '.findings[0]' <out)" "blocking findings / command pid remedy text topic weight" \
        "$name: --json: keys"
    is "$(jq -c --arg topic "$topic" '[.findings[] | select(.topic == $topic) | [.weight, (.remedy | length > 10)]] | .[0]' out)" \
        "[\"$weight\",true]" "$name: --json: topic, weight and a remedy"
    if ((status == 115)); then
        is "$(status_of bv checkpoint "$name")" 115 "$name: a checkpoint is refused for it: 115"
        like "$(<err)" "$words" "$name: which says why"
        ok "$name: the job goes on" job_runs
    else
        is "$(status_of bv checkpoint "$name")" 0 "$name: a checkpoint succeeds"
        like "$(<err)" "warning: pid [0-9]+ \(python3\): .*$words" "$name: and says what it loses"
        like "$(bv show "$name@1")" "$weight +.*$words" "$name: which show tells, too"
    fi
    finish_job "$name"
    is "$job_status" 0 "$name: and it ends well"
}

finds_in_job ring io_uring blocks 115 io_uring -- io_uring
finds_in_job watch inotify blocks 115 inotify -- inotify
finds_in_job count eventfd-semaphore weakens 0 "like a semaphore" -- semaphore
# At the end of its input socat would hang up.
mkfifo hold-open
socat "UNIX-LISTEN:$work/outside,fork" - <>hold-open >/dev/null 2>&1 &
listener=$!
require wait_for test -S outside
finds_in_job unix unix-outside blocks 115 'unix socket' -- unix_outside "$work/outside"
kill "$listener"
wait "$listener" 2>/dev/null || :
socat TCP-LISTEN:47113,reuseaddr,fork,bind=127.0.0.1 - <>hold-open >/dev/null 2>&1 &
listener=$!
require wait_for bash -c 'exec 3<>/dev/tcp/127.0.0.1/47113'
finds_in_job tcp tcp-outside blocks 115 TCP -- tcp_outside 47113
kill "$listener"
wait "$listener" 2>/dev/null || :

# A clean one.
start_job clean -- "${thing[@]}" clean
require wait_for says clean ready
is "$(status_of bv preflight clean)" 0 "a clean job: 0"
is "$(<out)" "nothing stands in the way of a checkpoint" "and nothing else is said"
is "$(bv preflight clean --json | jq -c .)" '{"blocking":0,"findings":[]}' "--json: no finding"
is "$(status_of bv preflight clean@1)" 2 "a generation is not looked at: 2"
finish_job clean
is "$(status_of bv preflight clean)" 116 "an ended job: 116"
is "$(status_of bv preflight none)" 101 "an unknown job: 101"
is "$(status_of bv preflight none --json)" 101 "with --json, too"
is "$(jq -r .error.name out)" BV_ENOJOB "which names the error"

# A process that is no job.
mkdir bare
(cd bare && exec "${thing[@]}" inotify) >bare.out &
pid=$!
require wait_for says bare ready
is "$(status_of bv preflight --pid "$pid")" 115 "--pid: 115"
like "$(<out)" "^blocks +pid $pid \(python3\): .*inotify" "it is named"
ok "the process goes on" kill -0 "$pid"
touch bare/go
wait "$pid"
is "$(status_of bv preflight --pid "$pid")" 116 "--pid of a process that has ended: 116"

# A command on trial.
mkdir trial
cd trial
is "$(status_of bv preflight --after 1s -- "${thing[@]}" inotify)" 115 "a command on trial: 115"
like "$(<../out)" 'inotify' "what it has is found"
is "$(status_of bv preflight --json --after 1s -- "${thing[@]}" inotify)" 115 "--json and a command: 115"
is "$(jq -r '.findings[].topic' ../out)" inotify "its own output is not in between"
is "$(status_of bv preflight --after 0.5 -- "${thing[@]}" clean)" 0 "a clean command: 0"
is "$(status_of bv preflight --after 60 -- true)" 119 "one that ends before: 119"
is "$(status_of bv preflight -- no-such-program)" 127 "one that does not exist: 127"
is "$(status_of bv preflight -- "$work/things.py")" 126 "one that cannot be run: 126"
is "$(status_of bv preflight --after 0.3 -- sh -c 'setsid sleep 1000 & sleep 1000')" 0 "one with a daemon"
ok "it is ended, and its daemon" wait_for no_strangers
cd "$work"
finish_jobs
