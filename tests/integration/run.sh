#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac run: ids, stores, what the job is told, and commands that cannot be run.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# Ids.
is "$(status_of bv run --job 'slurm-77_3[12].a+b' -- true)" 0 "every character that an id may have"
is "$(<err)" "" "a named job says nothing of its own"
is "$(status_of bv run -j "$(printf 'y%.0s' {1..96})" -- true)" 0 "an id of 96 characters"
is "$(status_of bv run -- true)" 0 "an id need not be given"
like "$(<err)" '^bivouac: job local-[0-9A-HJKMNP-TV-Z]{26}$' "then the job gets one, which is told"
first=$(sed 's/.* //' err)
bv run -- true 2>err
isnt "$(sed 's/.* //' err)" "$first" "another each time"
is "$(bv list --json | jq -r '.jobs[].job' | wc -l)" 4 "there are as many jobs as were run"

# What the job is told.
# shellcheck disable=SC2016
is "$(run_job told -- sh -c 'echo "$BIVOUAC_JOB $BIVOUAC_STORE"')" "told $BIVOUAC_STORE" \
    "the job knows its id and its store"
# shellcheck disable=SC2016
is "$(run_job told-2 --store "$work/elsewhere" -- sh -c 'echo "$BIVOUAC_STORE"')" "$work/elsewhere" \
    "--store decides, not the environment"
ok "and there the job is" test -d "$work/elsewhere/jobs/told-2"
ok "only there" test ! -e "$BIVOUAC_STORE/jobs/told-2"
# shellcheck disable=SC2016
is "$(env -u BIVOUAC_STORE timeout 60 bivouac run --job told-3 -- sh -c 'echo "$BIVOUAC_STORE"')" "$HOME/.bivouac" \
    "without either the store is in the home directory"
# shellcheck disable=SC2016
is "$(run_job told-4 --store relative -- sh -c 'echo "$BIVOUAC_STORE"')" "$work/relative" \
    "a relative store is told by its whole path"

# Its arguments are its own.
is "$(run_job words -- printf '<%s>' a '' 'b  c' -- --job '*' $'n\nl')" "$(printf '<%s>' a '' 'b  c' -- --job '*' $'n\nl')" \
    "arguments reach the job as they are"
is "$(run_job no-dashes printf "<%s>" --help)" "<--help>" "without -- options end with the command"
bytes=$'\xff\xfe caf\xe9'
is "$(run_job bytes -- printf %s "$bytes" | od -An -tx1)" "$(printf %s "$bytes" | od -An -tx1)" \
    "even when they are no UTF-8"

# Commands that cannot be run.
is "$(status_of run_job missing -- /no/such/program)" 127 "a command that does not exist: 127"
like "$(<err)" '^bivouac: .*/no/such/program' "is named"
is "$(status_of run_job missing-2 -- no-such-program)" 127 "one that is not in PATH: 127"
touch plain
is "$(status_of run_job denied -- ./plain)" 126 "a file that is not executable: 126"
like "$(<err)" '\./plain: Permission denied' "is named"
is "$(status_of run_job denied-2 -- /)" 126 "a directory: 126"
mkdir -p bin
printf '#!/no/such/interpreter\n' >bin/script
chmod +x bin/script
is "$(status_of run_job interpreter -- bin/script)" 127 "a script without its interpreter: 127"
printf '#!/bin/sh\necho found\n' >bin/found
chmod +x bin/found
is "$(PATH=$work/bin:$PATH run_job path -- found)" found "PATH is searched"
is "$(state_of missing)" failed "a job that could not be started has failed"
is "$(status_of run_job missing -- true)" 127 "its id is taken by that command"
like "$(<err)" 'created with another command' "and it says so"

# A working directory that is gone.
mkdir gone
cd gone
rmdir ../gone
is "$(status_of run_job no-directory -- true)" 111 "a working directory that is gone: 111"
cd "$work"
is "$(status_of run_job no-bind -- true --bind)" 0 "an option behind the command is the command's"
is "$(status_of bv run --bind "$work/none:/mnt" -- true)" 111 "--bind of what does not exist: 111"
is "$(status_of bv run --job bind-type --bind "$work/plain:/mnt" -- true)" 2 "--bind of a file on a directory: 2"

# An ended job is not run again.
is "$(status_of run_job once -- sh -c 'exit 3')" 3 "a job ends"
is "$(status_of run_job once -- sh -c 'echo again')" 119 "the same id again: 119"
like "$(<err)" 'exit status 3.*bivouac delete once' "and it says how to go on"
is "$(<out)" "" "nothing was run"
is "$(status_of run_job signaled -- sh -c 'kill -TERM $$')" 143 "a job dies"
is "$(status_of run_job signaled -- true)" 119 "it has ended, too"
like "$(<err)" 'signal 15' "and it says of what"

# A job that runs is not run twice.
hold busy
is "$(status_of run_job busy -- true)" 112 "a second run of a live job: 112"
like "$(<err)" "process $job_pid on this host" "it says who runs it"
is "$(state_of busy)" running "the first one goes on"
finish_job busy
is "$job_status" 5 "to its own end"

# A job in a job.
is "$(run_job outer -- timeout 60 bivouac run --job inner -- echo nested)" nested "a job may run a job"
is "$(state_of inner)" ended "which is one of its own"
finish_jobs
