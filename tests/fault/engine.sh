#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An engine that is missing, too old, that fails, hangs, talks nonsense or is killed: the job goes
# on, or was never touched, and the checkpoint before stays good.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
. /src/tests/fault/lib/steps.sh

real=$(command -v criu || echo /usr/sbin/criu)

# fake_criu LINE: a criu of the right version that instead of working runs LINE; $sock is the
# descriptor of the socket on which it is asked. With the LINE "real" it works.
fake_criu()
{
    [[ $1 != real ]] || set -- "exec $real \"\$@\""
    cat >"$work/criu.new" <<END
#!/bin/bash
if [[ \$1 == --version ]]; then
    printf 'Version: 4.2\n'
    exit
fi
sock=\${!#}
$1
END
    chmod +x "$work/criu.new"
    mv "$work/criu.new" "$work/criu"
}

# Checkpoints with a bad engine of a job that has a good one already.
checkpoint_with()
{
    local name=$1 line=$2 status=$3 text=$4 got=0 said

    shift 4
    fake_criu "$line"
    said=$(bivouac checkpoint "$job_id" "$@" 2>&1) || got=$?
    is "$got" "$status" "$name: the request ends with status $status"
    like "$said" "$text" "$name: it says so"
    is "$(wc -l <<<"$said")" 1 "$name: in one sentence"
    fake_criu real
    wait_for engine_is_gone || not_ok "$name: a process of the engine is left"
    problems=()
}

# Nothing but the job is in the capsule.
engine_is_gone()
{
    [[ $(pgrep -P "$(pid_of init)" | wc -l) == 2 ]] # the root, and what stops it with its group
}

restart_with()
{
    local name=$1 line=$2 status=$3 text=$4

    fake_criu "$line"
    steps_attempt
    is "$job_status" "$status" "$name: the restart ends with status $status"
    like "$said" "$text" "$name: it says so"
    wait_for no_strangers || not_ok "$name: processes are left"
    is "$(newest_generation)" 2 "$name: the checkpoint is still there"
}

steps_reference
steps_new engine

# --- no engine at all
export BIVOUAC_CRIU=/nonexistent
steps_attempt
is "$job_status" 107 "without an engine no job is started"
like "$said" "/nonexistent" "and the message names what is missing"
is "$(cd "$dir" && echo *)" "*" "nothing was started"

printf '#!/bin/sh\necho "Version: 3.17.1"\n' >"$work/old"
chmod +x "$work/old"
export BIVOUAC_CRIU=$work/old
steps_attempt
is "$job_status" 107 "an engine that is too old is refused"
like "$said" "3\.17\.1.* 4\.2" "and the message names both versions"

printf '#!/bin/sh\necho hello\n' >"$work/old"
steps_attempt
is "$job_status" 107 "a program that is no criu is refused"

# --- checkpoints
fake_criu real
export BIVOUAC_CRIU=$work/criu
steps_start
require steps_reach 10
require job_checkpoint
steps_reach 20

checkpoint_with "an engine that fails" "exit 1" 106 "criu.*ended with status 1"
checkpoint_with "an engine that is killed" "kill -KILL \$\$" 106 "criu.*killed by signal 9"
stream=UNIX-CONNECT:/proc/self/fd/81/streamer-capture.sock
checkpoint_with "an engine that talks nonsense" \
    "printf 'nonsense, nonsense' | socat -u - $stream; exec sleep 1000" 117 "too long"
checkpoint_with "an engine that says half a word" "printf '\\11\\0' | socat -u - $stream; exec sleep 1000" 117 "half a"
checkpoint_with "an engine that hangs" "exec sleep 1000" 114 "deadline" --timeout 1
checkpoint_with "an engine that hangs, with helpers" "sleep 1000 & sleep 1001" 114 "deadline" --timeout 1
checkpoint_with "an engine that hangs and ignores signals" \
    "trap '' TERM INT HUP; while :; do sleep 1; done" 114 "deadline" --timeout 1

rm "$work/criu"
fails "an engine that vanished: the request ends with status 107" 107 bivouac checkpoint "$job_id"
fake_criu real
is "$(newest_generation)" 1 "there is only the checkpoint from before"
ok "the job goes on after all that" steps_reach 30
ok "a good engine makes a checkpoint" job_checkpoint
is "$(newest_generation)" 2 "which is the second"
steps_reach 40
steps_crash

# --- restarts
restart_with "an engine that fails" "exit 1" 108 "criu"
restart_with "an engine that is killed" "kill -KILL \$\$" 120 "criu"
restart_with "an engine that talks nonsense" "echo nonsense >&\$sock; exec sleep 1000" 120 "criu"

fake_criu "touch $work/hangs; exec sleep 1000"
steps_start
wait_for test -e "$work/hangs"
kill -TERM "$job_pid"
steps_end
is "$job_status" 108 "a restart that hangs is ended by a signal"
like "$(cat "$dir.err")" "signal 15" "and says so"
wait_for no_strangers || not_ok "processes are left"

fake_criu real
problems=()
steps_finish 2
conclude "with a good engine the job goes on, and nothing is lost"
finish
