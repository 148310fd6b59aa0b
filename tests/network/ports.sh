#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# Ports that are in use and addresses that are gone, when a job is to be restarted in the network of the host.
set -euo pipefail
. /src/tests/network/lib/network.sh

listen=/src/tests/network/lib/listen.py

# listener ID tcp|udp ADDRESS PORT [shared]: a job that has it, and is checkpointed and ended. What it then finds in its
# log is of another.
listener()
{
    start_job "$1" -- python3 -S "$listen" "${@:2}"
    require wait_for says "$1" ready
    require bv checkpoint "$1" --kill
    job_wait
    echo later >>"$work/$1/log"
}

# holder tcp|udp ADDRESS PORT [shared]: a process that has it. Sets holder_pid.
holder()
{
    mkdir -p "$work/holder"
    rm -f "$work/holder.out"
    (cd "$work/holder" && exec python3 -S "$listen" "$@" >"$work/holder.out") &
    holder_pid=$!
    require wait_for says holder ready
}

# goes_on ID: it is restarted, its file is put back, and it ends.
goes_on()
{
    start_job "$1" -- true
    require wait_for grep -q 'goes on' "$work/$1.err"
    finish_job "$1"
    is "$job_status" 5 "$1: it goes on when the way is free"
    fails "$1: its file is put back" 1 grep -q later "$work/$1/log"
}

for one in 'tcp 127.0.0.1 7001' 'tcp ::1 7002' 'udp 0.0.0.0 7003' 'udp ::1 7004'; do
    read -r protocol address number <<<"$one"
    id=job-$number
    listener "$id" "$protocol" "$address" "$number"
    holder "$protocol" "$address" "$number"
    is "$(status_of bv run --job "$id" -- true)" 109 "$one: a port in use ends the restart"
    like "$(<"$work/err")" "has ${protocol^^} port $number at the address $address, which is in use here by pid $holder_pid \(python3\)" \
        "$id: with its address, and who has it"
    ok "$id: before a file is touched" grep -q later "$work/$id/log"
    kill "$holder_pid"
    wait "$holder_pid" || :
    goes_on "$id"
done

listener common tcp 127.0.0.1 7005 shared
holder tcp 127.0.0.1 7005 shared
goes_on common
kill "$holder_pid"

# Of very many the last ones are left out.
start_job many -- python3 -S -c 'import os, socket, time
keep = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for port in range(410)]
for i, s in enumerate(keep):
    s.bind(("127.0.0.1", 20000 + i))
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.05)
os._exit(5)'
require wait_for says many ready
require bv checkpoint many --kill
job_wait
like "$(jq -r 'select(.event == "checkpointed") | .warnings[]' "$BIVOUAC_STORE/jobs/many/events.jsonl")" \
    "has more ports than are recorded" "the checkpoint of a job with very many ports warns"
holder udp 127.0.0.1 20390
is "$(status_of bv run --job many -- true)" 109 "the 390th is tried before a restart"
kill "$holder_pid"
wait "$holder_pid" || :
start_job many -- true
finish_job many
is "$job_status" 5 "and it goes on when that is free"

# A network of its own has all ports.
start_job own --network private -- python3 -S "$listen" tcp 127.0.0.1 7006
require wait_for says own ready
require bv checkpoint own --kill
job_wait
holder tcp 127.0.0.1 7006
goes_on own
kill "$holder_pid"

# What the host does not have any more.
listener moved tcp "$passing" 7007
listener asks udp "$passing" 7008
touch "$gone"
require wait_for test ! -e "$gone"
is "$(status_of bv run --job moved -- true)" 109 "an address that is gone ends the restart"
like "$(<"$work/err")" "has TCP port 7007 at the address $passing, which this host does not have" "and is named"
ok "before a file is touched" grep -q later "$work/moved/log"
is "$(status_of bv restart asks)" 109 "also for UDP"
is "$(generations_of asks)" 1 "and the checkpoint is kept"
finish_jobs
