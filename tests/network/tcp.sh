#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# TCP connections to outside of the job, by what --tcp says.
set -euo pipefail
. /src/tests/network/lib/network.sh

# --- refuse ---

remote plain -- asks alone
is "$(status_of bv checkpoint plain)" 115 "by default, a job that is connected with others is not checkpointed"
like "$(<"$work/err")" 'TCP connection to port 8000 outside of the job.*--tcp close' "what stands in the way, and what to do, is said"
ok "the job goes on" asks_on plain
finish_job plain
is "$job_status" 5 "to its end"
is "$(lines_of plain)" $'ready\ndone' "with its connection"

# --- close, in the network of the host ---

remote open --tcp close -- asks alone
ok "with --tcp close it is checkpointed" bv checkpoint open
ok "and goes on" asks_on open
is "$(lines_of open)" ready "with its connection"
is "$(bv preflight --json open | jq -r '.findings[] | [.weight, .topic] | join(" ")')" "weakens tcp-outside" \
    "preflight says what becomes of it"
job_crash
ok "it can be restored" bv verify --deep open
again open
require wait_for says open 'connected again'
finish_job open
is "$job_status" 5 "it ends after a restart"
like "$(lines_of open)" $'^ready\nlost: (end of file|Broken pipe|Connection reset by peer)\nconnected again\ndone$' \
    "the connection was closed, and made anew"
like "$(<"$work/open.err")" "1 TCP connection to outside of job open is closed: $server port $port \(pid 1000, remote\)" "which one is said"
is "$(jq -r 'select(.event == "connections-closed") | .connections[0].remote_port' "$BIVOUAC_STORE/jobs/open/events.jsonl")" \
    "$port" "and in its history"
like "$(bv history open)" '1 TCP connection to outside of the job was closed by the restart' "which tells it"

remote pair --tcp close -- asks
is "$(status_of bv checkpoint pair)" 115 "a connection within the job would be closed, too"
like "$(<"$work/err")" 'inside the job.*--network private' "so this is refused, and a way is named"
ok "the job goes on" asks_on pair
finish_job pair
is "$(lines_of pair)" $'ready\ndone' "with both connections"

# --- keep ---

is "$(status_of bv run --tcp keep -- true)" 2 "--tcp keep needs an address of the job's own"
like "$(<"$work/err")" 'address=ADDRESS/PREFIX' "and says so"

# --- a network of its own, with a way to others ---

remote strict --network private,outside=auto -- asks
is "$(status_of bv checkpoint strict)" 115 "refused there, too"
like "$(<"$work/err")" "TCP connection to $server port $port, outside of the job: .*--tcp close" "as an error of Bivouac's own"
ok "the job goes on" asks_on strict
finish_job strict
is "$(lines_of strict)" $'ready\ndone' "with all connections"

for way in pasta:asks slirp4netns:waits; do
    id=by-${way%:*}
    remote "$id" --network "private,outside=${way%:*}" --tcp close --every 1 -- "${way#*:}"
    wait_for test -d "$BIVOUAC_STORE/jobs/$id/000001"
    is "$(lines_of "$id")" ready "$id: a periodic checkpoint disturbs no connection"
    job_crash
    again "$id"
    require wait_for says "$id" 'connected again'
    ok "$id: one that ends the attempt" bv checkpoint "$id" --kill
    job_wait
    is "$job_status" 85 "$id: ends it"
    ok "$id: it can be restored" bv verify --deep "$id"
    again "$id"
    require wait_for is_twice "$id" 'connected again'
    finish_job "$id"
    is "$job_status" 5 "$id: it comes to its end"
    is "$(lines_of "$id" | sed 's/lost: .*/lost/')" "$(printf '%s\n' ready lost 'the inner one is kept' 'connected again' \
        lost 'the inner one is kept' 'connected again' 'done')" "$id: the outer connection is lost at each restart, the inner one never"
done
finish_jobs
