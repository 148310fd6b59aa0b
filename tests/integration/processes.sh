#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Families of processes over a checkpoint and a restart: daemons, zombies, bound threads, process groups, stopped ones.
# shellcheck disable=SC2016,SC2317 # the job's shell expands; functions are called by name
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# over_restart ID CMD…: runs CMD as a job until it says "ready", checkpoints, ends and restarts it, and lets it go when
# "settled" is true.
settled=true
over_restart()
{
    local id=$1

    shift
    start_job "$id" -- "$@"
    require wait_for says "$id" ready
    ok "$id: checkpointed and ended" bv checkpoint "$id" --kill
    job_wait
    is "$job_status" 85 "$id: it ended by the checkpoint"
    start_job "$id" -- "$@"
    require wait_for "$settled"
    finish_job "$id"
}

# Daemons: two forks and a session of their own each; the job asks both to report when it is restarted.
cat >daemons.sh <<'END'
#!/bin/bash
for n in 1 2; do
    (setsid bash -c "echo \$\$ >pid.$n; until test -e ask.$n; do sleep 0.02; done; echo alive \$\$ >answer.$n" &)
done
until test -s pid.1 -a -s pid.2; do sleep 0.02; done
echo ready
until test -e go; do sleep 0.05; done
touch ask.1 ask.2
until test -s answer.1 -a -s answer.2; do sleep 0.02; done
for n in 1 2; do
    test "alive $(cat pid.$n)" = "$(cat answer.$n)" && echo "daemon $n is the same"
done
END
chmod +x daemons.sh
over_restart daemons "$work/daemons.sh"
is "$job_status" 0 "daemons: the job ends"
is "$(<daemons.out)" $'ready\ndaemon 1 is the same\ndaemon 2 is the same' \
    "daemons: both have outlived the restart, with their pids"

# Zombies, whose exit status is still to be collected.
cat >zombies.py <<'END'
import os, signal, time
children = []
for status in (0, 7, 42):
    pid = os.fork()
    if pid == 0: os._exit(status)
    children.append(pid)
pid = os.fork()
if pid == 0: signal.pause()
os.kill(pid, signal.SIGTERM); children.append(pid)
def state(pid): return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
while any(state(p) != "Z" for p in children): time.sleep(0.01)
print("ready", flush=True)
while not os.path.exists("go"): time.sleep(0.02)
print([state(p) for p in children])
print([os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in children])
END
over_restart zombies python3 -u "$work/zombies.py"
is "$job_status" 0 "zombies: the job ends"
is "$(tail -n 2 zombies.out)" $'[\'Z\', \'Z\', \'Z\', \'Z\']\n[0, 7, 42, -15]' \
    "zombies: they are still there, with their exit statuses"

# Threads, each bound to a CPU of its own.
cat >threads.py <<'END'
import os, threading, time
cpus = sorted(os.sched_getaffinity(0))
want = {}
def work(n):
    os.sched_setaffinity(0, {cpus[n % len(cpus)]})
    want[n] = os.sched_getaffinity(0)
    started.wait()
    while not os.path.exists("go"): time.sleep(0.02)
    now = os.sched_getaffinity(0)
    os.write(1, f"thread {n} {'bound' if now == want[n] else f'lost: {now}'}\n".encode())  # print() is not one write
    turn.release()
started = threading.Barrier(4); turn = threading.Semaphore(0)
threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
for t in threads: t.start()
started.wait()
print("ready", flush=True)
for t in threads: t.join()
END
over_restart threads python3 -u "$work/threads.py"
is "$job_status" 0 "threads: the job ends"
is "$(sort threads.out)" $'ready\nthread 0 bound\nthread 1 bound\nthread 2 bound' "threads: each is bound as it was"

# Process groups: a pipeline that is a group of its own gets one signal.
cat >groups.sh <<'END'
#!/bin/bash
set -m
trap '' TERM
(trap 'echo first >>got; exit' TERM; while :; do sleep 0.02; done) | (trap 'echo second >>got; exit' TERM; while :; do sleep 0.02; done) &
echo ready
until test -e go; do sleep 0.05; done
kill -TERM -- "-$(jobs -p)"
wait
sort got
END
chmod +x groups.sh
over_restart groups "$work/groups.sh"
is "$(<groups.out)" $'ready\nfirst\nsecond' "groups: a group is still one"

# A child that its parent has stopped stays stopped until its parent lets it go on.
cat >stopped.py <<'END'
import os, signal, time
pid = os.fork()
if pid == 0:
    while True: time.sleep(0.02)
os.kill(pid, signal.SIGSTOP)
os.waitpid(pid, os.WUNTRACED)
print("ready", flush=True)
while not os.path.exists("go"): time.sleep(0.02)
state = lambda: open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
print(state(), flush=True)
os.kill(pid, signal.SIGCONT)
while state() == "T": time.sleep(0.01)
os.kill(pid, signal.SIGKILL)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
# The engine stops it again when everything runs.
has_stopped_child()
{
    pgrep -r T -f 'stopped\.py'
}
settled=has_stopped_child
over_restart stopped python3 -u "$work/stopped.py"
is "$job_status $(tail -n 2 stopped.out | tr '\n' ' ')" "0 T -9 " "stopped: a child that was stopped still is"

# Everything of a job ends with its first process.
run_job leaves -- sh -c 'setsid sleep 1000 & (sleep 1000 &) ; exit 0'
ok "leaves: a daemon does not outlive its job" wait_for no_strangers
finish_jobs
