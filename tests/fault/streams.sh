#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The way from the engine to the store: it breaks off in the middle of an image, or it is narrow,
# since there is far less staging memory than the job has.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
. /src/tests/fault/lib/steps.sh

real=$(command -v criu || echo /usr/sbin/criu)
hog=/usr/local/libexec/bivouac/bench/hog

good_criu()
{
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec %s "$@"\n' "$real" >"$work/criu.new"
    chmod +x "$work/criu.new"
    mv "$work/criu.new" "$work/criu"
}

# broken_criu STATUS: a criu that begins an image, sends two and a half MiB of it, and ends.
broken_criu()
{
    cat >"$work/criu.new" <<END
#!/usr/bin/env python3
import os, socket, struct, sys, threading
if sys.argv[1:] == ["--version"]:
    print("Version: 4.2")
    sys.exit()
capture = socket.socket(socket.AF_UNIX)
capture.connect("/proc/self/fd/81/streamer-capture.sock")
name = b"pages-1.img"
request = b"\\n" + bytes([len(name)]) + name
capture.sendall(struct.pack("<I", len(request)) + request)
out, into = os.pipe()
socket.send_fds(capture, [b"x"], [out])
os.close(out)
left = 5 << 19
while left:
    left -= os.write(into, b"x" * min(left, 65536))
sys.stdout.flush()
os._exit($1) if $1 < 128 else os.kill(os.getpid(), 9)
END
    chmod +x "$work/criu.new"
    mv "$work/criu.new" "$work/criu"
}

# broken_checkpoint NAME STATUS TEXT
broken_checkpoint()
{
    local got=0 said

    broken_criu "$2"
    until said=$(bivouac checkpoint "$job_id" 2>&1) || ((got = $?, got != 112)); do
        sleep 0.05 # the one before is still being given up
    done
    is "$got" 106 "$1: the request ends with status 106"
    like "$said" "$3" "$1: it says so"
    is "$(newest_generation)" 1 "$1: the checkpoint before is there"
    is "$(find "$BIVOUAC_STORE/jobs/$job_id" -name '.0*' -o -name '.staging*')" "" "$1: no part of it is left"
}

# --- it breaks off

good_criu
export BIVOUAC_CRIU=$work/criu
steps_reference
steps_new broken
steps_start
require steps_reach 10
require job_checkpoint
steps_reach 20
broken_checkpoint "an engine that fails in the middle of an image" 1 "criu.*ended with status 1"
broken_checkpoint "one that is killed there" 200 "criu.*killed by signal 9"
broken_checkpoint "one that says that this was all" 0 "without a complete dump"
good_criu
ok "the job goes on after all that" steps_reach 30
ok "a good engine makes a checkpoint" job_checkpoint
is "$(newest_generation)" 2 "which is the second"
steps_crash
problems=()
steps_finish 2
conclude "the job goes on from it, and nothing is lost"
unset BIVOUAC_CRIU

# --- it is narrow: 16 MiB of staging memory, 1 GiB of job

# ask VERB: sets reply.
ask()
{
    asked=$((asked + 1))
    printf '%d %s\n' "$asked" "$*" >"$dir/line"
    mv "$dir/line" "$dir/ask"
    require wait_for answered
    reply=$(cut -d ' ' -f 3 "$dir/answer")
}
asked=0

answered()
{
    grep -qs "^$asked " "$dir/answer"
}

# MiB of memory that the writer has had at most, when all is written.
writer_peak()
{
    awk '/^VmHWM:/ { print int($2 / 1024) }' "/proc/$(pid_of writer)/status"
}

narrow_start()
{
    job_start "$dir" narrow --staging 16M -- "$hog" --dir "$dir" --size 1g --data zero
}

steps_new narrow
fault_at checkpoint-packed
fault_disarm
narrow_start
ask sum
sum=$reply
fault_arm
bivouac checkpoint narrow --kill >"$dir.checkpoint" 2>&1 &
client=$!
require wait_for fault_reached
peak=$(writer_peak)
fault_disarm
status=0
wait "$client" || status=$?
is "$status" 0 "a GiB is checkpointed through 16 MiB of staging memory"
ok "the writer had no more than 96 MiB of memory ($peak)" test "$peak" -le 96
job_wait
is "$job_status" 85 "the job has ended"
fault_none
narrow_start
ask sum
is "$reply" "$sum" "and goes on with every byte as it was"
ask end
job_wait
finish
