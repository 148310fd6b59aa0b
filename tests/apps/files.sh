#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The job's files after a crash: what was rewritten is put back, what was deleted is there again, what came later is
# moved aside, and nothing is overwritten that could not be put back.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh

work_in "$(scratch)"
cd "$work"
mkdir -p ref/data ref.go
touch ref.go/2 ref.go/3
(cd ref && "$apps/phases" ../ref.go >../ref.out)

has_line()
{
    grep -qx "$2" "$1"
}

# start DIR [ARGUMENT…]: the program, which goes on when $dir.go has the file of the next phase.
start()
{
    local dir=$1

    shift
    mkdir -p "$work/$dir/data" "$work/$dir.go"
    job_start "$work/$dir" "$dir" "$@" -- "$apps/phases" "$work/$dir.go"
}

# Checkpoint after the first phase, crash after the second.
first_life()
{
    local dir=$1

    start "$@"
    require wait_for has_line "$dir.out" "phase 1 done"
    ok "$dir: checkpoint after the first phase" job_checkpoint
    touch "$dir.go/2"
    require wait_for has_line "$dir.out" "phase 2 done"
    require job_crash
    pass "$dir: crash after the second"
}

second_life()
{
    local dir=$1

    touch "$dir.go/3"
    start "$@"
    job_wait
}

# --- with the directory captured ---
first_life whole --capture data
is "$(cat whole/data/state)" "after phase 2" "whole: the crash left the later state"
rm whole/doomed.bin
second_life whole --capture data
is "$job_status" 0 "whole: the second life meets what the first one knew"
same_file whole.out ref.out "whole: its output is that of an uninterrupted run"
ok "whole: its files are those of an uninterrupted run" diff -r ref whole
like "$(bivouac show whole --json)" 'part-2' "whole: show tells what was moved aside"
ok "whole: the part written after the checkpoint is kept aside" \
    grep -rqx 'part two' "$BIVOUAC_STORE/jobs/whole/kept"

# --- without it: open files are put back, closed ones are the user's affair ---
first_life open
second_life open
is "$job_status" 10 "open: a closed file is left as the crash left it"
ok "open: the open files are rolled back" has_line open.out "unexpected: data/part-1"
like "$(cat open/log.txt)" '^one$' "open: the log is cut back"

# --- --no-capture: what it names in a captured directory is left alone ---
first_life without --capture data --no-capture state
second_life without --capture data --no-capture state
is "$job_status" 12 "without: the file that was left out is as the crash left it"
is "$(cat without/data/state)" "after phase 2" "without: nothing wrote to it"
ok "without: the rest of the directory is put back" grep -qx 'part one' without/data/part-1

# --- a file above the limit is not overwritten by a restart that could not put it back ---
first_life limit --capture data --capture-limit 4K
second_life limit --capture data --capture-limit 4K
is "$job_status" 110 "limit: a restart onto a changed file above the limit is refused"
like "$(cat limit.err "$checkpoint_log")" 'inplace\.bin' "limit: the message names it"
second_life limit --accept-changed
is "$job_status" 11 "limit: told to go on, it goes on with the changed file"
like "$(bivouac show limit --json)" 'inplace\.bin' "limit: show names it"

remains_nothing "$work"
logs_if_failed "$work"
finish
