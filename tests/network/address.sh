#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# testbed: net
# A job with an address of its own goes from host to host, and its connections to a server go with it.
# shellcheck disable=SC2317 # what runs on a host is called there by name
set -euo pipefail
. /src/tests/lib/cycle.sh
. /src/tests/network/lib/segment.sh
. /src/tests/lib/stalls.sh

# --- on a host ------------------------------------------------------------------------------

# What a job could have left on the host: interfaces, and rules of a firewall.
left()
{
    ip -o link show | grep -v -e ': lo:' -e ': lan:' -e ': wire@' || :
    nft list ruleset
    iptables-save
    ip6tables-save
}

nothing_is_left()
{
    [[ -z $(left) ]]
}

# leg USER DIR WAY ADDRESS ARGUMENT…: one leg of a job, which is "stream ARGUMENT…".
leg()
{
    local user=$1 dir=$2 status=0

    shift
    bridge_up
    as_user "$user" "$0" --job "$@" || status=$?
    wait_for nothing_is_left || left >>"$dir.left"
    return "$status"
}

# The second signal is for the supervisor.
ends_when_told()
{
    kill -TERM "$job_pid"
    sleep 0.1
    job_is_over
}

# As the user: job DIR WAY ADDRESS ARGUMENT…. WAY "kill": until a checkpoint that ends it; "go-on": with one behind which it
# goes on; "blocked": with one that cannot be made; "term": until it is told to end, twice; "crash": until its supervisor is killed; "again": that
# behind a checkpoint, and from there to its end; "relapse": the same without a checkpoint; "end": to its end.
job()
{
    local dir=$1 way=$2 address=$3 seen=0
    local options=(--kill) run

    shift 3
    run=(stream --network "private,address=$address,bridge=lan" --tcp keep -- "$stream" "$@")
    export BIVOUAC_STORE=$dir.store
    checkpoint_log=$dir.checkpoint
    mkdir -p "$dir"
    [[ ! -e $dir.out ]] || seen=$(wc -l <"$dir.out")
    job_start "$dir" "${run[@]}"
    if [[ $way == crash || $way == again || $way == relapse ]]; then
        wait_for lines_at_least "$dir.out" $((seen + 3)) || return
        [[ $way != again ]] || job_checkpoint || return
        kill -KILL "$job_pid"
        if [[ $way != crash ]]; then
            job_wait
            job_start "$dir" "${run[@]}"
        fi
    elif [[ $way == term ]]; then
        wait_for lines_at_least "$dir.out" $((seen + 3)) || return
        wait_for ends_when_told
    elif [[ $way != end ]]; then
        [[ $way != go-on ]] || options=()
        wait_for lines_at_least "$dir.out" $((seen + 3)) || return
        if job_checkpoint "${options[@]}"; then
            [[ $way != blocked ]] || return 1
        else
            [[ $way == blocked ]] || return 1
        fi
    fi
    job_wait
    # shellcheck disable=SC2154
    return "$job_status"
}

# On a host, as alice: a job that talks to itself at its own address.
own()
{
    bridge_up
    as_user alice "$0" --own "$@"
}

case ${1:-} in
--own)
    export BIVOUAC_STORE=$HOME/own.store
    stalls "$HOME" "$2" "${3%/*}" --network "private,address=$3,bridge=lan"
    ((tap_failed == 0)) || tail -n 5 "$HOME/$2.err" | diag
    exit "$((tap_failed > 0))"
    ;;
--on)
    shift
    "$@"
    exit
    ;;
--job)
    shift
    status=0
    job "$@" >&2 || status=$?
    exit "$status"
    ;;
esac

# --- the test -------------------------------------------------------------------------------

# travel USER DIR NAME:WAY:STATUS:PAUSE… -- ADDRESS SERVER LINES [queue]
travel()
{
    local user=$1 dir=$2 place way expected pause connections
    local -a legs=()

    shift 2
    while [[ $1 != -- ]]; do
        legs+=("$1")
        shift
    done
    shift
    connections=$(grep -c connected "$log" || :)
    for place in "${legs[@]}"; do
        IFS=: read -r place way expected pause <<<"$place"
        host_run "$place" leg "$user" "$dir" "$way" "$1" hold "$2" 7001 "${@:3}" >>"$dir.legs" 2>&1
        is "$host_status" "$expected" "on $place ($way) it ends with $expected"
        # The server pushes on, to a job that is nowhere.
        sleep "$pause"
    done
    is "$(<"$dir.out")" "$(seq 10 10 "$3")"$'\n'ok "not a line is missing, or there twice"
    is "$(($(grep -c connected "$log") - connections))" 1 "the server has seen one connection"
    is "$(cat "$dir.left" 2>&1)" "cat: $dir.left: No such file or directory" "nothing is left on a host"
    ((tap_failed == 0)) || tail -n 30 "$dir.legs" "$dir.err" "$dir.checkpoint" 2>&1 | diag
}

log=/root/server.log
segment_up "$log"
setuid_link
allow '# who may' 'allow alice lan 192.0.2.0/24,2001:db8::/64'

diag "An ordinary user: three hosts, and 3 s on none of them."
travel alice /home/alice/user north:kill:85:3 south:kill:85:0 east:end:0:0 -- 192.0.2.7/24 "$server" 1500

diag "A checkpoint behind which the job goes on, and one that cannot be made."
travel alice /home/alice/stays north:go-on:0:0 -- 192.0.2.8/24 "$server" 600
travel alice /home/alice/blocked north:blocked:0:0 -- 192.0.2.9/24 "$server" 600 queue

diag "A job that talks to itself at its own address."
host_run north own own-4 192.0.2.15/24 >/root/own.log 2>&1
is "$host_status" 0 "it loses nothing"
host_run north own own-6 2001:db8::15/64 >>/root/own.log 2>&1
is "$host_status" 0 "over IPv6 neither"
((tap_failed == 0)) || diag </root/own.log

diag "An address that a job on another host has."
host_start north leg alice /home/alice/first end 192.0.2.10/24 hold "$server" 7001 800 >/root/first.log 2>&1
first=$host_pid
wait_for lines_at_least /home/alice/first.out 3
host_run south leg alice /home/alice/second end 192.0.2.10/24 hold "$server" 7001 100 >/root/second.log 2>&1
is "$host_status" 109 "the second job is not started"
like "$(</home/alice/second.err)" "the address 192.0.2.10/24 is in use already, by 02:" "it is said why"
host_status=0
wait "$first" || host_status=$?
is "$host_status" 0 "and the first has noticed nothing"

diag "What the job has sent and closed, and nobody takes."
python3 -c 'import socket, time; s = socket.create_server(("192.0.2.1", 7002)); time.sleep(300)' &
wait_for nc -z "$server" 7002
host_run north leg alice /home/alice/leave kill 192.0.2.13/24 leave "$server" 7002 3 >/root/leave.log 2>&1
is "$host_status" 85 "it does not keep the job from being checkpointed and ended"
like "$(</home/alice/leave.checkpoint)" "1 TCP connection that the job has closed had not delivered everything" \
    "and is told"

host_run north leg alice /home/alice/bye term 192.0.2.16/24 leave "$server" 7002 3 >/root/bye.log 2>&1
is "$host_status" 143 "nor from being ended"
is "$(cat /home/alice/bye.left 2>&1)" "cat: /home/alice/bye.left: No such file or directory" "and its link is gone"
like "$(</home/alice/bye.err)" "1 TCP connection that job stream had closed had not delivered everything when it ended" "which is told"

diag "root, and IPv6."
umount "$link"
travel root /root/six north:kill:85:0 south:kill:85:0 north:end:0:0 -- 2001:db8::7/64 "$server6" 1000

is "$(grep -c reset "$log" || :)" 0 "no connection was reset"

# From here on some may be.
mount --bind /run/bivouac-link "$link"
diag "A supervisor that is killed."
host_run north leg alice /home/alice/crash crash 192.0.2.11/24 hold "$server" 7001 1000 >/root/crash.log 2>&1
is "$host_status" 137 "its job is gone"
is "$(ls /home/alice/*.left 2>&1)" "ls: cannot access '/home/alice/*.left': No such file or directory" \
    "and nothing is left on the host"

diag "A checkpoint behind which the job went on: the server has gone on too."
host_run north leg alice /home/alice/again again 192.0.2.12/24 hold "$server" 7001 2000 >/root/again.log 2>&1
is "$host_status" 1 "it goes on from it"
like "$(</home/alice/again.err)" "1 TCP connection to outside of job stream is closed: 192.0.2.1 port 7001 \(pid" \
    "and it is said that its connection is closed"
like "$(tail -n 1 /home/alice/again.out)" "^broken: .*[cC]onnection" "which is what the program sees, at once"

diag "A checkpoint from which the job has gone on before: so has the server."
host_run north leg alice /home/alice/twice kill 192.0.2.14/24 hold "$server" 7001 2000 >/root/twice.log 2>&1
is "$host_status" 85 "it is made"
host_run south leg alice /home/alice/twice relapse 192.0.2.14/24 hold "$server" 7001 2000 >>/root/twice.log 2>&1
is "$host_status" 1 "the second restart from it"
is "$(grep -c "connection to outside of job stream is closed" /home/alice/twice.err)" 1 "closes the connection"
like "$(tail -n 1 /home/alice/twice.out)" "^broken: .*[cC]onnection" "as the program sees"

diag "It is exported, to a store that knows nothing of its attempts."
# shellcheck disable=SC2016
as_user alice bash -c 'bivouac export --store "$HOME/twice.store" stream@1 | bivouac import --store "$HOME/moved.store"'
host_run north leg alice /home/alice/moved end 192.0.2.14/24 hold "$server" 7001 2000 >/root/moved.log 2>&1
is "$host_status" 1 "a restart there"
is "$(grep -c "connection to outside of job stream is closed" /home/alice/moved.err)" 1 "closes the connection, too"
finish
