#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# verify --deep: a good checkpoint passes, each kind of bad one is told, and neither a job that
# runs nor its files notice anything.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/integration/lib/jobs.sh
. /src/tests/lib/damage.sh

nothing_left()
{
    is "$(find "$BIVOUAC_STORE" "${TMPDIR:-/tmp}" -maxdepth 1 -name '.bivouac-verify*')" "" \
        "$1: the scratch directory is gone"
}

grown()
{
    (($(stat -c %s "$1") > $2))
}

# A program of many kinds of things: deleted file, socket, fifo, thread, child, growing files.
cat >many.py <<'END'
import os, socket, tempfile, threading, time
deleted = tempfile.TemporaryFile()
deleted.write(b"x" * 100000)
deleted.flush()
listener = socket.socket(socket.AF_UNIX)
listener.bind("socket")
listener.listen(1)
port = socket.socket()
port.bind(("127.0.0.1", 0))
port.listen(1)
os.mkfifo("fifo")
fifo = os.open("fifo", os.O_RDWR)
os.write(fifo, b"in flight")
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
appended = open("appended", "a")
written = open("written", "w+")
mine = os.urandom(5 << 20)
if os.fork() == 0:
    time.sleep(1000)
print("ready", flush=True)
n = 0
while not os.path.exists("go"):
    n += 1
    for f in appended, written:
        f.write("line %d\n" % n)
        f.flush()
    time.sleep(0.02)
assert os.read(fifo, 100) == b"in flight"
client = socket.socket(socket.AF_UNIX)
client.connect("socket")
os.kill(0, 9)
END
start_job many -- python3 -u "$work/many.py"
require wait_for says many ready
ok "the first checkpoint" bv checkpoint many
ok "the second" bv checkpoint many
size=$(stat -c %s many/written)
require wait_for grown many/written "$size"
attempts=$(ls "$BIVOUAC_STORE/jobs/many/attempts")
inode=$(stat -c %i many/socket many/fifo)

ok "a good checkpoint of a job that runs passes" bv verify --deep --json many
is "$(status_of bv verify --deep --json many@1)" 0 "so does one that is not the newest"
is "$(jq -r '.generations[0].restored | .processes, .threads' out | tr '\n' ' ')" "2 3 " \
    "it tells how many processes and threads there are"
ok "and compares their memory" jq -e '.generations[0].restored.pages > 1280' out
is "$(status_of bv verify --deep many)" 0 "for people too"
like "$(<out)" 'many@2: ok, .*restored: 2 processes, 3 threads, [0-9]+ pages' "in words"
is "$(ls "$BIVOUAC_STORE/jobs/many/attempts")" "$attempts" "no attempt was claimed"
is "$(stat -c %i many/socket many/fifo)" "$inode" "socket and fifo of the job are what they were"
size=$(stat -c %s many/appended)
ok "the job runs on" wait_for grown many/appended "$size"
nothing_left "good"

# Exactly what it has written, without a gap or a repetition.
in_sequence()
{
    awk '$0 != "line " NR { exit 1 }' "$1"
}
ok "its appended file is whole" in_sequence many/appended
ok "and the other one" in_sequence many/written
finish_job many
is "$job_status" 137 "it ended as it does: $(tail -n 2 many.err)"

# A store that cannot be written, when there is another place.
hold still
ok "a checkpoint" bv checkpoint still --kill
job_wait
chmod -R a-w "$BIVOUAC_STORE"
mkdir tmp
is "$(TMPDIR=$work/tmp status_of bv verify --deep still)" 0 "a store that is read-only is enough, with TMPDIR"
is "$(ls -A tmp)" "" "and nothing is left there"
isnt "$(status_of bv verify --deep still)" 0 "without, there is no room"
like "$(<err)$(<out)" "cannot create a directory in" "and it says so"
chmod -R u+w "$BIVOUAC_STORE"

is "$(status_of bv verify --deep --timeout 0.001 still)" 114 "a deadline that is too short: 114"
nothing_left "deadline"
is "$(status_of bv verify --deep none)" 101 "an unknown job: 101"
is "$(status_of bv verify --deep still@9)" 101 "an unknown generation: 101"

# One bit.
cp -a "$BIVOUAC_STORE/jobs/still/000001" kept
flip "$BIVOUAC_STORE/jobs/still/000001/pack-000001.bvp"
is "$(status_of bv verify --deep still)" 104 "a flipped bit: 104"
rm -rf "$BIVOUAC_STORE/jobs/still/000001"
mv kept "$BIVOUAC_STORE/jobs/still/000001"
is "$(status_of bv verify --deep still)" 0 "put back, it is good again"
diag "$(<out)"

# An executable that was built anew.
mkdir exe
cp /bin/sleep exe/program
start_job exe -- ./program 1000
require wait_for is_state exe running
ok "a checkpoint" bv checkpoint exe --kill
job_wait
is "$(status_of bv verify --deep exe)" 0 "with its executable it is good"
rm exe/program
cp /bin/cat exe/program
is "$(status_of bv verify --deep exe)" 110 "with another one: 110"
like "$(<out)$(<err)" "exe/program|bad" "the message names it"
nothing_left "changed"

# Files that are gone.
mkdir gone
start_job gone -- sh -c 'exec 3>log; echo begun >&3; echo ready; sleep 1000 3>&3'
require wait_for says gone ready
ok "a checkpoint" bv checkpoint gone --kill
job_wait
rm gone/log
is "$(status_of bv verify --deep gone)" 0 "a file that a restart would put back need not be there"
ok "and is not made" test ! -e gone/log

# Signals.
verify_ended_by()
{
    env --default-signal BIVOUAC_STORE="$BIVOUAC_STORE" bivouac verify --deep still >out 2>err &
    kill -"$1" $!
    wait $! 2>/dev/null || :
    wait_for no_strangers
}
verify_ended_by INT
verify_ended_by KILL
is "$(strangers)" "" "ended by a signal, no process is left"
is "$(status_of bv verify --deep still)" 0 "and the next one is good"
nothing_left "signals"

# A real one.
export OMP_NUM_THREADS=1
start_job lammps -- lmp -screen none -var steps 100000 -in "$data/melt.in"
require wait_for test -s lammps/melt.dump
ok "LAMMPS is checkpointed" bv checkpoint lammps --kill
job_wait
is "$(status_of bv verify --deep lammps)" 0 "and would go on"
diag "$(<out)"
remains_nothing "$work"
finish
