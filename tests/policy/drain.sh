#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# A host goes down: every job on it is checkpointed and ended, whoever it belongs to.
# shellcheck disable=SC2016 # the jobs expand
set -euo pipefail
. /src/tests/lib/tap.sh

# start_as USER ID: in the background, with a runtime directory at the usual place; in pids.
declare -A pids=()
start_as()
{
    local home

    home=$(getent passwd "$1" | cut -d: -f6)
    as_user "$1" env -u XDG_RUNTIME_DIR -u BIVOUAC_RUNTIME_DIR --default-signal bash -c '
        cd && exec bivouac run --job "$0" -- bash -c "echo ready; exec sleep 300" >"$0.out" 2>"$0.err"' "$2" </dev/null &
    pids[$2]=$!
    require wait_for grep -q ready "$home/$2.out"
}

# ended_with ID STATUS
ended_with()
{
    local status=0

    wait "${pids[$1]}" || status=$?
    is "$status" "$2" "$1 ends with status $2"
}

is "$(bivouac checkpoint --all; echo $?)" 0 "without any job there is nothing to do"
start_as alice one
start_as alice two
start_as bob three

# A user sees his own.
said=$(as_user alice env -u XDG_RUNTIME_DIR bivouac checkpoint --all)
is "$(cut -d: -f1 <<<"$said" | sort | tr '\n' ' ')" "one@1 two@1 " "a user checkpoints all jobs of his own"
like "$said" 'committed after [0-9.]+ s' "and is told of each"
is "$(as_user bob env -u XDG_RUNTIME_DIR bivouac checkpoint --all --json --reason maintenance | jq -c '[.jobs[] | [.job, .ok, .generation]]')" \
    '[["three",true,1]]' "as JSON, too"

# A supervisor that does not answer, and somebody's socket that is none of ours.
mkdir -m 700 /tmp/bivouac-65534
chown 65534 /tmp/bivouac-65534
socat UNIX-LISTEN:/tmp/bivouac-65534/0123456789abcdef.sock,type=5,fork SYSTEM:'sleep 60' &
pretender=$!
trap 'kill "$pretender" 2>/dev/null || :' EXIT
wait_for test -S /tmp/bivouac-65534/0123456789abcdef.sock
is "$(bivouac checkpoint --all --kill --json | jq -c '[.jobs[] | [.job, .ok]] | sort')" \
    '[["one",true],["three",true],["two",true]]' "root ends the jobs of all users; who only pretends is left out"
ended_with one 85
ended_with two 85
ended_with three 85
is "$(jq -rs '[.[] | select(.event == "checkpointed").why] | unique | join(" ")' \
    /home/*/.bivouac/jobs/*/events.jsonl)" "drain maintenance" "the history says why"

# One that cannot be checkpointed.
start_as alice four
supervisor=$(pgrep -u alice -x bivouac)
kill -STOP "$supervisor"
is "$(bivouac checkpoint --all --timeout 1 >said; echo $?)" 114 "one that does not answer makes the command fail"
like "$(cat said)" 'a job of uid 1000: it did not answer in time' "which says which"
kill -CONT "$supervisor"
is "$(bivouac checkpoint --all --kill | sed 's/@.*//')" four "when it does, it is served"
ended_with four 85

# The unit.
unit=/usr/local/lib/systemd/system/bivouac-drain.service
is "$(sed -n 's/^ExecStop=//p' $unit)" "/usr/local/bin/bivouac checkpoint --all --kill --timeout 300" \
    "the unit for the end of a host ends all jobs"
ok "and systemd understands it" systemd-analyze verify --man=no "$unit"
is "$(systemd-analyze verify --man=no "$unit" 2>&1 | grep bivouac || :)" "" "without a complaint"
finish
