#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Standard output to a file (> and >>), a pipe and a terminal, standard input from a file.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh

work_in "$(scratch)"
cd "$work"
"$apps/ticker" 300 >ref.out 2>/dev/null

# Checkpoints and kills job $1 when FILE has some lines more than it had; then waits for it.
kill_after_lines()
{
    local file=$1 lines

    lines=$(tr -d '\r' 2>/dev/null <"$file" | wc -l) || lines=0
    require wait_for lines_at_least "$file" $((lines + 20 + RANDOM % 60))
    ok "$job_id: it is checkpointed and killed" job_checkpoint --kill
    job_wait
}

# start ID SHELL-LINE: a user's own line, in the background.
start_line()
{
    job_id=$1
    env --default-signal bash -c "$2" &
    job_pid=$!
}

# Two interruptions with one and the same line, as a scheduler runs a batch script again.
run_thrice()
{
    local id=$1 file=$2 line=$3

    : >"$file"
    start_line "$id" "$line"
    kill_after_lines "$file"
    start_line "$id" "$line"
    kill_after_lines "$file"
    start_line "$id" "$line"
    job_wait
    is "$job_status" 0 "$id: it ends"
}

ticker="'$apps/ticker' 300"
run_thrice append append.out "exec bivouac run --job append -- $ticker </dev/null >>append.out 2>>append.err"
same_file append.out ref.out "append: >> holds every line once"

run_thrice truncate truncate.out "exec bivouac run --job truncate -- $ticker </dev/null >truncate.out 2>>truncate.err"
same_file truncate.out ref.out "truncate: > holds every line once, though the shell empties the file each time"

run_thrice both both.out "exec bivouac run --job both -- $ticker </dev/null >>both.out 2>&1"
"$apps/ticker" 300 >both.ref 2>&1
grep -av '^bivouac: ' both.out >both.own || :
same_file both.own both.ref "both: output and errors in one file keep their order"

run_thrice pipe pipe.out \
    "set -o pipefail; bivouac run --job pipe -- $ticker </dev/null 2>>pipe.err | cat >>pipe.out"
same_file pipe.out ref.out "pipe: no line is lost or doubled"

# At the end of its own input, script types an end-of-file character into the terminal.
mkfifo quiet
exec 7<>quiet
tty_line="exec script -qef -a -c \"bivouac run --job tty -- sh -c 'test -t 1 && $apps/ticker 300 2>/dev/null'\" tty.out <quiet >/dev/null"
run_thrice tty tty.out "$tty_line"
tr -d '\r' <tty.out | grep -a '^tick ' >tty.own || :
same_file tty.own ref.out "tty: no line is lost or doubled"
((tap_failed == 0)) || grep -avn '^tick ' tty.out | tr -d '\r' | diag

seq 1 200 >input
run_thrice input input.out \
    "exec bivouac run --job input -- bash -c 'while read -r n; do echo \"got \$n\"; sleep 0.01; done' <input >>input.out 2>>input.err"
is "$(cat input.out)" "$(seq 1 200 | sed 's/^/got /')" "input: every line of standard input is read once"

remains_nothing "$work"
logs_if_failed "$work"
finish
