#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Whatever comes in while a job runs or is checkpointed: a second supervisor, a second request,
# signals, and bytes on the control socket that are no request.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
. /src/tests/fault/lib/steps.sh

case_number=1
steps_reference
steps_new control

# checkpoint_stops_at_fault: a request in the background that is held at the armed point.
checkpoint_stops_at_fault()
{
    fault_arm
    bivouac checkpoint --json "$job_id" "$@" >"$work/first" 2>&1 &
    client=$!
    require wait_for fault_reached
}

# Sets client_status.
checkpoint_ends()
{
    fault_disarm
    client_status=0
    wait "$client" || client_status=$?
}

fault_at checkpoint-frozen
fault_disarm
steps_start
fault_none
require steps_reach 10
require job_checkpoint

# Connections to the job's control socket, of which one more is the socket itself. The list is that of the whole network
# namespace, in which other tests run too.
clients_are()
{
    local socket=("$BIVOUAC_RUNTIME_DIR"/*.sock)
    (($(grep -c "${socket[0]}" /proc/net/unix) == $1 + 1))
}

# --- a second supervisor
got=0
said=$(cd "$dir" && bivouac run --job "$job_id" -- "${steps_command[@]}" "$gates" "$steps_total" "$steps_status" \
    "$steps_memory" 2>&1) || got=$?
is "$got" 112 "a second run of a live job is refused with status 112"
like "$said" "process $job_pid " "and the message names the process that runs it"
fails "so is a restart" 112 bivouac restart "$job_id"
fails "so is a restart of one generation" 112 bivouac restart "$job_id@1"

# --- a second request
checkpoint_stops_at_fault
fails "a request that wants something else than the one in progress is refused" 112 bivouac checkpoint --kill "$job_id"
bivouac checkpoint --json "$job_id" >"$work/second" 2>&1 &
second=$!
ok "a second request connects" wait_for clients_are 2
checkpoint_ends
is "$client_status" 0 "the first request succeeds"
second_status=0
wait "$second" || second_status=$?
is "$second_status" 0 "a second request joins it"
generations=$(jq -s 'map(.generation) | unique | length' "$work/first" "$work/second")
is "$generations" 1 "they are answered with the same checkpoint"
is "$(newest_generation)" 2 "there is one checkpoint more"

# --- signals while the job is frozen
checkpoint_stops_at_fault
kill -USR1 "$job_pid"
checkpoint_ends
is "$client_status" 0 "a signal does not disturb a checkpoint"
wait_for test -s "$dir/signals.txt" || :
is "$(cat "$dir/signals.txt")" "signal 10" "and the job gets it, once"
steps_reach 20

checkpoint_stops_at_fault
kill -STOP "$job_pid"
kill -CONT "$job_pid"
checkpoint_ends
is "$client_status" 0 "a supervisor that is stopped for a while goes on with the checkpoint"
is "$(newest_generation)" 4 "which is committed"

# --- bytes
ok "the control socket takes anything" python3 - "$BIVOUAC_RUNTIME_DIR" <<'END'
import array, glob, json, os, socket, sys

path = max(glob.glob(sys.argv[1] + "/*.sock"), key=os.path.getmtime)

def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(20)
    while True:
        try:
            s.connect(path)
            return s
        except BlockingIOError: # its queue is full
            pass

def ask(data, fds=()):
    """What comes back: an object, or None if the connection was closed."""
    with connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        try:
            s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
        except OSError:
            return None
        try:
            answer = s.recv(1 << 20)
        except ConnectionResetError:
            return None
        return json.loads(answer) if answer else None

def alive():
    answer = ask(b'{"op":"status"}')
    assert answer and answer["ok"], answer

def refused(answer):
    assert answer is None or answer["ok"] is False, answer

null = os.open("/dev/null", os.O_RDONLY)
alive()
for data in (b"", b"\0", b"x", b"{", b"[]", b"1", b'"op"', b"null", b"{}", b"\xff" * 100, os.urandom(5000),
             b'{"op":"status"', b'{"op":"status"}x', b'{"op":1}', b'{"op":null}', b'{"op":"nothing"}', b'{"op":"status","op":"status"}',
             b"[" * 100000, b'{"a":' * 5000, b" " * 60000, b"x" * 70000, b"x" * 1000000,
             b'{"op":"checkpoint","leave":"somewhere"}', b'{"op":"checkpoint","timeout":-1}',
             b'{"op":"checkpoint","timeout":1e300}', b'{"op":"checkpoint","timeout":1e400}',
             b'{"op":"checkpoint","leave":"dead","timeout":-5,"reason":7}'):
    refused(ask(data))
    alive()
for count in (1, 8, 200):
    refused(ask(b"x", [null] * count))
    ask(b'{"op":"status"}', [null] * count)
    alive()

# Many who say nothing do not keep others out.
silent = [connect() for _ in range(40)]
alive()
for s in silent:
    s.close()
alive()

# Many requests, of which no answer is read.
deaf = connect()
deaf.setblocking(False)
try:
    for _ in range(10000):
        deaf.send(b'{"op":"status"}')
except BlockingIOError:
    pass
alive()
deaf.close()

# Those who ask and go.
for _ in range(50):
    with connect() as s:
        s.send(b'{"op":"status"}')
alive()
with connect() as s:
    s.send(b'{"op":"checkpoint","reason":"' + b"r" * 5000 + b'"}')
with connect() as s:
    s.send(b'{"op":"checkpoint"}')
    s.close()
for _ in range(1000):
    if ask(b'{"op":"status"}')["state"] == "running":
        break
alive()
END
ok "the job still runs, and can be checkpointed" job_checkpoint
ok "the supervisor has lost no descriptor" test "$(find "/proc/$job_pid/fd" | wc -l)" -lt 40
steps_reach 30

# --- an end in the middle
checkpoint_stops_at_fault
kill -TERM "$job_pid"
checkpoint_ends
steps_end
is "$job_status" 143 "a job that is ended by a signal during a checkpoint dies of that signal"
must "the request ended with status $client_status" one_of "$client_status" 0 119
is "${problems[*]}" "" "and the request is answered"
problems=()
wait_for no_strangers || problem "processes are left"
left=$(leftovers)
is "${problems[*]}$left" "" "nothing is left"

steps_open 50
fails "it has ended" 119 bivouac restart "$job_id"
(cd "$dir" && bivouac restart "$job_id@$(newest_generation)") >/dev/null 2>&1 || job_status=$?
: >"$dir/signals.txt" # that generation has seen the signal
steps_identical "told to go back, it goes on from there, and nothing is lost"
finish
