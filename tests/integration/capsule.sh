#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a job has to itself: /dev/shm, /tmp, network, processes; and what --bind shows it.
# shellcheck disable=SC2016 # the job's shell expands
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

touch /dev/shm/host-file /tmp/host-file

# /dev/shm is always the job's own.
is "$(run_job shm -- ls -A /dev/shm)" "" "/dev/shm is empty in a job"
run_job shm-write -- touch /dev/shm/job-file
ok "what a job makes there is not seen outside" test ! -e /dev/shm/job-file
is "$(run_job shm-mode -- stat -c %a /dev/shm)" 1777 "anybody may write there"

# /tmp is shared unless told otherwise.
is "$(run_job tmp -- sh -c 'ls /tmp | grep -x host-file')" host-file "/tmp is that of the host"
run_job tmp-write --tmp shared -- touch /tmp/job-file
ok "what a job makes there is seen" test -e /tmp/job-file
is "$(run_job tmp-private --tmp private -- ls -A /tmp)" "" "--tmp private: empty"
run_job tmp-private-write --tmp private -- touch /tmp/private-file
ok "--tmp private: what a job makes there is not seen" test ! -e /tmp/private-file
mkdir -p /tmp/inside
is "$(cd /tmp/inside && status_of run_job tmp-inside --tmp private -- true)" 2 \
    "--tmp private would hide a working directory below /tmp: refused"
like "$(<err)" 'would hide the working directory /tmp/inside' "and it says so"
hold tmp-kept --tmp private
is "$(bv show tmp-kept --json | jq -r .record.tmp)" private "show tells of it"
finish_job tmp-kept

# Both are part of a checkpoint.
cat >keeper.sh <<'END'
#!/bin/bash
echo memory >/dev/shm/kept
echo temporary >/tmp/kept
echo ready
until test -e go; do sleep 0.05; done
cat /dev/shm/kept /tmp/kept
END
chmod +x keeper.sh
start_job keeper --tmp private -- "$work/keeper.sh"
require wait_for says keeper ready
ok "a job with files in both is checkpointed and ended" bv checkpoint keeper --kill
job_wait
start_job keeper -- "$work/keeper.sh"
finish_job keeper
is "$job_status" 0 "it ends"
is "$(<keeper.out)" $'ready\nmemory\ntemporary' "the files are there after the restart"
ok "and not outside" test ! -e /dev/shm/kept -a ! -e /tmp/kept

# Network.
is "$(run_job network -- ls /sys/class/net)" "$(ls /sys/class/net)" "the network is that of the host"
is "$(run_job network-host --network host -- sh -c 'readlink /proc/self/ns/net')" "$(readlink /proc/self/ns/net)" \
    "with --network host, too"
is "$(run_job network-private --network private -- ip -o -br link | awk '{ print $1 }')" lo "--network private: only lo"
like "$(run_job lo --network private -- ip -o addr show dev lo)" '127\.0\.0\.1/8' "which has its address"
is "$(run_job talk --network private -- bash -c 'nc -N -l 127.0.0.1 7777 >got & until exec 3>/dev/tcp/127.0.0.1/7777; do sleep 0.05; done 2>/dev/null; echo hello >&3; exec 3>&-; wait; cat got')" \
    hello "a job talks to itself there"

# --bind.
mkdir here there
echo of-here >here/file
echo of-there >there/file
echo alone >single
is "$(run_job bind-dir --bind "$work/here:$work/there" -- cat "$work/there/file")" of-here "--bind of a directory"
is "$(<there/file)" of-there "covers it for the job only"
run_job bind-write --bind "$work/here:$work/there" -- sh -c "echo more >'$work/there/new'"
is "$(cat here/new 2>&1)" more "what the job writes goes to the directory that is bound"
is "$(run_job bind-file --bind "$work/single:$work/there/file" -- cat "$work/there/file")" alone "--bind of a file"
is "$(run_job bind-relative --bind "here:$work/there" -- cat there/file)" of-here "the host's part may be relative"
is "$(run_job bind-two --bind "$work/here:$work/there" --bind "$work/single:/mnt/one" -- cat "$work/there/file" /mnt/one)" \
    $'of-here\nalone' "more than one, and where nothing is"
ok "nothing was made for it on the host" test ! -e /mnt/one
is "$(bv show bind-two --json | jq -r '.record.binds[] | "\(.host):\(.job)"')" \
    "$work/here:$work/there"$'\n'"$work/single:/mnt/one" "show tells of them"

# Processes. The host's are not seen, and cannot be signalled.
sleep 1000 &
is "$(run_job pids -- sh -c "kill -0 $! 2>/dev/null && echo seen")" "" "a process of the host is not seen"
kill $!
wait $! 2>/dev/null || :
is "$(run_job first -- cat /proc/1/comm)" bivouac-init "process 1 is the capsule's"
is "$(status_of run_job kill-init -- sh -c 'kill -KILL 1; exit 6')" 6 "which a job cannot kill"
is "$(run_job orphans -- sh -c '(sleep 1000 &) ; exit 8' || echo $?)" 8 "a job ends with its first process"
finish_jobs
