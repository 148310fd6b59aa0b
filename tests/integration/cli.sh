#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command line: help, versions, and what is refused before anything is done.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

mapfile -t commands < <(commands_of_help)
is "$(printf '%s\n' "${commands[@]}" | sort)" \
    "$(cd /src/man && printf '%s\n' bivouac-*.1 | sed 's/^bivouac-//; s/\.1$//' | sort)" \
    "the help names every command that has a man page, and no other"

is "$(status_of bv)" 2 "without a command: usage"
is "$(<out)" "" "and nothing on standard output"
like "$(<err)" '^usage: bivouac COMMAND' "but the help on standard error"
is "$(status_of bv frobnicate)" 2 "an unknown command"
like "$(<err)" "^bivouac: there is no command 'frobnicate'" "is named"
like "$(bv --version)" '^bivouac [0-9]+\.[0-9]+\.[0-9]+$' "--version"
is "$(bv help)" "$(bv --help)" "help is --help"

for command in "${commands[@]}"; do
    is "$(status_of bv "$command" --help)" 0 "$command --help succeeds"
    like "$(<out)" "^usage: bivouac $command " "$command --help says how to use it"
    is "$(grep -E '.{121}' out)" "" "no line of it is longer than 120 columns"
    is "$(<err)" "" "$command --help is silent on standard error"
    is "$(bv "$command" -h)" "$(<out)" "$command -h is the same"
    is "$(status_of bv "$command" --no-such-option)" 2 "$command refuses an unknown option"
    is "$(<out)" "" "$command says so on standard error only"
    like "$(<err)" no-such-option "$command names the option"
done

# refused TEXT COMMAND…: status 2, and a sentence that has TEXT.
refused()
{
    local text=$1

    shift
    is "$(status_of bv "$@")" 2 "refused: bivouac $*"
    like "$(<err)" "$text" "and says why"
}

refused 'no command' run
refused 'no command' run --
refused 'no command' run --job x
refused 'requires an argument' run --job
refused "not '/'" run --job a/b -- true
refused "begin with '-'" run --job -x -- true
refused 'characters' run --job '' -- true
refused 'characters' run --job "$(printf 'x%.0s' {1..97})" -- true
refused 'host, private or auto' run --network bridge -- true
refused 'shared or private' run --tmp mine -- true
refused 'HOST:JOB' run --bind /usr -- true
refused 'HOST:JOB' run --bind :/mnt -- true
refused 'HOST:JOB' run --bind /usr:mnt -- true
refused 'HOST:JOB' run --bind /usr:/mnt/../etc -- true
refused 'no size' run --capture-limit much -- true
refused 'no size' run --capture-limit -1 -- true
refused 'no size' run --capture-limit 1X -- true
refused 'fail or fresh' run --on-bad-checkpoint ignore -- true
refused 'no duration' run --lease soon -- true
refused 'no duration' run --lease -5 -- true
refused "^bivouac: --every: '-5' is no duration" run --every -5 -- true
refused 'is less than 1' run --every 0 -- true
refused 'is no duration' run --lead 10:00 -- true
refused 'is no time' run --deadline tomorrow -- true
refused 'is no time' run --deadline 2026-02-30T10:00 -- true
refused "no signal 'SIGFOO'" run --on-signal SIGFOO=checkpoint -- true
refused 'SIGKILL cannot' run --on-signal SIGKILL=ignore -- true
refused 'checkpoint-and-stop or ignore, not .restart' run --on-signal SIGUSR1=restart -- true
refused 'is no number' run --max-attempts -1 -- true
refused 'is more than 255' run --requeue-exit 256 -- true
refused 'is less than 1' run --keep 0 -- true
refused 'yes or no' run --keep-on-success perhaps -- true
refused 'no size' run --quota-job -1 -- true
refused 'exactly one JOB' checkpoint
refused 'exactly one JOB' checkpoint a b
refused 'no duration' checkpoint --timeout 5y a
refused 'no duration' checkpoint --timeout 1.5.2 a
refused 'no duration' checkpoint --timeout nan a
refused 'exactly one JOB' restart
refused 'exactly one JOB' restart a b
refused 'characters|letters' restart @1
refused 'no setting .leese.: do you mean lease' config lease leese
refused 'no argument' list a
refused 'exactly one JOB' show
refused 'exactly one JOB' history
refused 'exactly one JOB' report --html x
refused 'html' report a
refused 'no argument' top a
refused 'no argument' metrics a
refused 'exactly one JOB' verify
refused 'exactly one JOB' delete a b
refused 'no argument' doctor a
refused 'name one of' preflight
refused 'name one of' preflight --pid 1 job
refused 'no process id' preflight --pid zero
refused 'no process id' preflight --pid 0
refused 'no process id' preflight --pid 12x
refused 'no command' preflight --
refused 'more than one job' preflight a b

ok "none of that has made a store" test ! -e "$BIVOUAC_STORE"

# References are read when there is a store.
bv run --job a -- true
for reference in a@ a@x a@-1 a@0 a@1.5 a@99999999999; do
    refused "$reference|generation" show "$reference"
done
finish
