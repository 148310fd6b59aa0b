#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# Rehearsals: each verdict, its status, and that nothing of the user's is touched.
# shellcheck disable=SC2016,SC2317 # what is quoted is for others; functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh

work=$(TMPDIR=$HOME scratch)
out=$(scratch)
export TMPDIR=$work/tmp
mkdir "$work/dir" "$TMPDIR"
cd "$work/dir"

# Every name, mode, time and content below the user's home, but for the scratch directory.
state_of_home()
{
    (cd "$HOME" && find . -path "./${TMPDIR#"$HOME"/}" -prune -o -printf '%P %y %m %s %T@ %l\n' | sort &&
        find "$work/dir" -type f -exec sha256sum {} + | sort)
}

# rehearse [OPTION…] -- CMD…: sets status and said.
rehearse()
{
    status=0
    bivouac rehearse "$@" >"$out/said" 2>"$out/said.err" </dev/null || status=$?
    said=$(cat "$out/said" "$out/said.err")
}

nothing_left()
{
    is "$(ls -A "$TMPDIR")" "" "$1: the scratch directory is gone"
    remains_nothing "$work/dir"
}

# --- a program that does the same each time
echo "some input" >input.txt
cat >steady.sh <<'END'
#!/bin/bash
exec 3>>log.txt
read -r line
for ((i = 0; i < 60; i++)); do
    echo "$line $i"
    echo "log $i" >&3
    sleep 0.05
done
echo "to standard error" >&2
mkdir results
cp input.txt results/
pwd >results/where
exit 7
END
chmod +x steady.sh
mkfifo a-fifo
ln -s input.txt a-link
before=$(state_of_home)
status=0
bivouac rehearse --json -- ./steady.sh <input.txt >"$out/said.json" 2>"$out/said" || status=$?
said=$(cat "$out/said")
is "$status" 0 "a program that does the same each time: status 0"
is "$(jq -r .verdict "$out/said.json")" safe "the verdict is safe"
is "$(jq '.cycles | length' "$out/said.json")" 3 "there were three cycles"
is "$(jq -r '[.cycles[].ended_by] | join(" ")' "$out/said.json")" "checkpoint crash checkpoint" \
    "both ways to end were tried"
is "$(jq -r '.cycles[0].checkpoint.reason' "$out/said.json")" rehearse "the checkpoints say why they were made"
ok "and what they cost" jq -e '.cycles | all(.checkpoint.frozen_s > 0 and .checkpoint.stored_bytes > 0)' "$out/said.json"
is "$(jq -r '.undisturbed.number, .disturbed.number' "$out/said.json" | tr '\n' ' ')" "7 7 " \
    "the exit status is the program's, both times"
is "$(state_of_home)" "$before" "nothing in the user's home has changed"
nothing_left "safe"

rehearse --cycles 1 --keep -- ./steady.sh
like "$said" "safe to run under Bivouac" "for people it says so in words"
like "$said" "1 checkpoints?: frozen" "and what it costs"
kept=$(echo "$TMPDIR"/bivouac-rehearsal-*)
is "$(cat "$kept/first/results/where")" "$work/dir" "the program saw its directory under its own name"
is "$(cat "$kept/second/results/where")" "$work/dir" "also after the restart"
same_file "$kept/second.io/stdout" "$kept/first.io/stdout" "--keep leaves the outputs to be looked at"
rm -rf "$kept"

# --- one that cannot be compared
rehearse --cycles 1 -- bash -c 'sleep 1; date +%s%N >stamp; sleep 1'
is "$status" 123 "a program that writes the time: status 123"
like "$said" "differs between two undisturbed runs too: stamp " "the message names the file"
nothing_left "not comparable"

# --- one that a crash breaks: it opens its output anew for each line, so that nobody knows how long it was
cat >reopen.sh <<'END'
#!/bin/bash
for ((i = 0; i < 200; i++)); do
    echo "$i" >>numbers
    sleep 0.01
done
END
chmod +x reopen.sh
before=$(state_of_home)
rehearse --cycles 2 -- ./reopen.sh
is "$status" 122 "a program that a crash breaks: status 122"
like "$said" "not safe .*numbers differs from byte [0-9]+ on \(line [0-9]+\)" "the message names the file and the place"
rehearse --json --cycles 2 -- ./reopen.sh
is "$(jq -r '.verdict, .unsteady | tostring' "$out/said" | tr '\n' ' ')" "differs [] " "and so does the JSON"
is "$(state_of_home)" "$before" "nothing in the user's home has changed"
nothing_left "differs"
rehearse --cycles 2 --capture . -- ./reopen.sh
is "$status" 0 "with its directory rolled back it is safe"

# --- one that cannot be checkpointed: it is connected to a server elsewhere
cat >client.py <<'END'
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
time.sleep(3)
END
python3 -u - >"$out/port" <<'END' &
import socket, threading, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(8)
print(s.getsockname()[1])
kept = []
while True:
    kept.append(s.accept())
END
server=$!
wait_for test -s "$out/port"
rehearse -- python3 client.py "$(cat "$out/port")"
is "$status" 115 "a program with a connection to outside: status 115"
like "$said" "cannot be checkpointed .*TCP connection" "the message is that of preflight"
kill "$server"
wait "$server" 2>/dev/null || :
nothing_left "blocked"

# --- what is no rehearsal
rehearse -- true
is "$status" 123 "a program that ends at once proves nothing: status 123"
like "$said" "ends too soon" "and the message says why"
rehearse -- ./no-such-program
is "$status" 127 "a program that is not there: status 127"
rehearse -- ./input.txt
is "$status" 126 "one that cannot be executed: status 126"
fails "no command" 2 bivouac rehearse
fails "no cycle" 2 bivouac rehearse --cycles 0 -- true
fails "a network that there is not" 2 bivouac rehearse --network none -- true
cd /
rehearse -- true
cd - >/dev/null
is "$status" 2 "the whole file system is not copied"
head -c 3M /dev/urandom >large
rehearse --copy-limit 1M -- true
is "$status" 2 "a directory that is too large: status 2"
like "$said" "more than 1 MiB.*--dir.*--copy-limit" "and the message says what to do"
rm large
rehearse --timeout 2 -- sleep 100
is "$status" 114 "one that takes too long: status 114"
nothing_left "too long"

# --- it can write nowhere else
rehearse --cycles 1 -- bash -c 'touch "$HOME/evil" /var/tmp/evil; echo x >/tmp/fine && sleep 1; cat /tmp/fine'
ok "a write outside of the directory does not reach the host" test ! -e "$HOME/evil" -a ! -e /var/tmp/evil
is "$status" 0 "a /tmp of its own goes through the restarts"
like "$(state_of_home)" "input.txt" "the user's files are there"

# --- ends
is_running()
{
    compgen -G "$TMPDIR/bivouac-rehearsal-*/store/jobs/rehearsal/attempts/*"
}

ends_by()
{
    local signal=$1 pid

    env --default-signal bivouac rehearse -- sleep 50 >"$out/said" 2>&1 </dev/null &
    pid=$!
    wait_for is_running
    kill -"$signal" "$pid"
    status=0
    wait "$pid" 2>/dev/null || status=$?
}

ends_by INT
is "$status" 130 "SIGINT ends it"
nothing_left "SIGINT"
ends_by KILL
is "$status" 137 "SIGKILL ends it"
wait_for no_strangers
is "$(strangers)" "" "and nothing runs on"
rehearse --cycles 1 -- sleep 1
is "$status" 0 "the next rehearsal is as good as the first"
nothing_left "and removes what was left"

rehearse --cycles 1 --ignore stamp -- bash -c 'sleep 1; date +%s%N >stamp; sleep 1'
is "$status" 0 "what is ignored may differ"

# --- a real one, whose standard output ends with how long it took
export OMP_NUM_THREADS=1
rehearse --cycles 2 --ignore stdout --ignore log.lammps -- lmp -var steps 800 -in "$data/melt.in"
is "$status" 0 "LAMMPS is safe"
diag "$said"
finish
