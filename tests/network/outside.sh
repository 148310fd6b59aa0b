#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# A private network with a way out: what carries it, when it is missing, and when it dies.
# shellcheck disable=SC2317 # what is waited for is called by name
set -euo pipefail
# root's jobs have a way out, too.
as_root_too()
{
    local tool

    for tool in pasta slirp4netns auto; do
        # shellcheck disable=SC2016,SC2154
        is "$(bivouac run --store /root/store --job "root-$tool" --network "private,outside=$tool" -- bash -c '
            exec 3<>"/dev/tcp/$1/$2" && echo hello >&3 && head -n 1 <&3' - "$server" "$port" 2>&1)" hello "$tool carries root's jobs, too"
    done
}
. /src/tests/network/lib/network.sh
. /src/tests/lib/stalls.sh

# The programs that carry connections, of this user.
carriers()
{
    pgrep -u "$(id -u)" -x 'pasta|pasta.avx2|slirp4netns' || :
}

no_carriers()
{
    [[ -z $(carriers) ]]
}

carries()
{
    [[ -n $(carriers) ]]
}

# It is there before the program runs, each time, also over IPv6.
for address in "$server" "$server6"; do
    id=fetch-${#address}
    start_job "$id" --network private,outside=pasta --tcp close -- "$apps/remote" "$address" "$port" asks alone
    require wait_for says "$id" 'asked 20 times'
    ok "$id: a job that talks to a server is checkpointed" bv checkpoint "$id" --kill
    job_wait
    is "$job_status" 85 "$id: and ended"
    ok "$id: nothing is left of what carried it" wait_for no_carriers
    again "$id"
    require wait_for says "$id" 'connected again'
    finish_job "$id"
    is "$job_status" 5 "$id: it talks again when it goes on"
    like "$(bv show "$id")" 'network    private,outside=pasta' "$id: show tells its network"
done

# What it could not even send does not keep it from being restored.
remote full --network private,outside=pasta --tcp close -- fills
ok "a job with more to send than the server takes is checkpointed" bv checkpoint full --kill
job_wait
again full
require wait_for says full 'connected again'
finish_job full
is "$job_status" 5 "and restored"

# A job that talks to itself at the address that it got: pasta gives it those of the host.
stalls "$work" pasta-4 192.0.2.1 --network private,outside=pasta
stalls "$work" pasta-6 2001:db8:2::1 --network private,outside=pasta
stalls "$work" slirp 10.0.2.100 --network private,outside=slirp4netns

# Nobody gets in, and the host's own loopback stays its own.
python3 -S /src/tests/network/lib/listen.py tcp 127.0.0.1 7101 >"$work/holder.out" &
holder=$!
require wait_for says holder ready
for tool in pasta slirp4netns; do
    # shellcheck disable=SC2016
    run_job "shut-$tool" --network "private,outside=$tool" -- bash -c '
        for at in 127.0.0.1 192.0.2.254 10.0.2.2; do
            timeout 2 bash -c "exec 3<>/dev/tcp/$at/7101" 2>/dev/null && echo "reaches $at"
        done; true' >"$work/shut.out" 2>&1
    is "$(<"$work/shut.out")" "" "$tool: what listens on the loopback of the host is out of reach"
done
kill "$holder"

# It dies: this is said, the job goes on, and the next restart has it again.
remote lost --network private,outside=auto --tcp close -- asks alone
carries || not_ok "something carries the connections"
kill -KILL "$(carriers)"
require wait_for grep -q 'pasta has ended (signal 9): job lost does not reach other hosts any more' "$work/lost.err"
pass "its death is said"
ok "the job is checkpointed all the same" bv checkpoint lost --kill
job_wait
again lost
require wait_for says lost 'connected again'
finish_job lost
is "$job_status" 5 "a restart gives it a way again"
is "$(jq -r 'select(.event == "network-lost") | .program' "$BIVOUAC_STORE/jobs/lost/events.jsonl")" pasta "the history knows it"

# The supervisor is killed.
remote crash --network private,outside=slirp4netns --tcp close -- asks alone
job_crash
ok "it ends with the supervisor" wait_for no_carriers
again crash
finish_job crash
is "$job_status" 5 "and the job, which had no checkpoint, begins anew"

# Not installed.
mkdir "$work/bin"
for program in /usr/bin/* /usr/sbin/*; do
    [[ $program == */pasta* || $program == */slirp4netns || $program == */passt* ]] || ln -sf "$program" "$work/bin/"
done
bare=$work/bin:/usr/local/bin
is "$(status_of env PATH="$bare" bivouac run --job none --network private,outside=auto -- touch began)" 109 "where there is none, nothing starts"
like "$(<"$work/err")" 'neither pasta nor slirp4netns is installed: install the package passt' "and what to do is said"
fails "nothing has begun" 1 test -e began
is "$(status_of env PATH="$bare" bivouac run --job no-slirp --network private,outside=slirp4netns -- touch began)" 109 "also for one by its name"
like "$(<"$work/err")" 'by slirp4netns, which is not installed' "which is named"
is "$(status_of env PATH="$bare" bivouac restart lost)" 119 "a job that has ended needs none to say so"

# One that fails.
printf '#!/bin/sh\necho first >&2\necho "no tap for you" >&2\nexit 3\n' >"$work/bin/pasta"
chmod 755 "$work/bin/pasta"
is "$(status_of env PATH="$bare" bivouac run --job broken --network private,outside=pasta -- touch began)" 109 "one that fails ends the attempt"
like "$(<"$work/err")" 'pasta gives the job no way to other hosts: no tap for you' "with its last word"
fails "and nothing has begun" 1 test -e began
rm -rf "${work:?}/bin"
finish_jobs
