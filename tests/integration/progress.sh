#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Long work shows where it is on a terminal, and is quiet elsewhere.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# on_tty COMMAND-LINE: prints what a terminal gets.
on_tty()
{
    script -qec "$1" /dev/null </dev/null
}

hold one
seen=$(on_tty "bivouac checkpoint one")
like "$seen" 'freezing and reading the job \.\.\.' "checkpoint tells that it reads"
like "$seen" 'writing \.\.\.' "and that it writes"
like "$seen" $'\r\e\\[K[^\r]*one@1: frozen' "and wipes that out for its result"
seen=$(on_tty "bivouac checkpoint one --json" | tr -d '\r')
is "$(jq -r .generation <<<"$seen")" 2 "with --json a terminal gets JSON only"
seen=$(on_tty "bivouac verify one")
like "$seen" 'reading one@1, 1 of 2 \.\.\.' "verify tells what it reads"
like "$seen" 'reading one@2, 2 of 2 \.\.\.' "and how much there is"
like "$seen" $'\r\e\\[Kone@2: ok' "and wipes that out"
seen=$(on_tty "bivouac checkpoint none" || :)
like "$seen" $'bivouac: [^\r\n]*none' "an error is on a line of its own"
unlike "$seen" 'freezing' "without progress"

# Elsewhere.
is "$(bv checkpoint one 2>&1 >/dev/null)" "" "checkpoint is quiet where no terminal is"
is "$(bv verify one 2>&1 >/dev/null)" "" "so is verify"
unlike "$(bv checkpoint one 2>&1; bv verify one 2>&1; bv list; bv show one)" $'[\r\e]' \
    "nothing is written for terminals where none is"
unlike "$(on_tty "bivouac checkpoint one 2>&1 | cat")" 'freezing' "nor for a terminal behind a pipe"

# A line of the list fits the terminal, and is whole elsewhere.
long=$(printf 'word%.0s' {1..60})
run_job long -- true "$long"
on_tty "stty cols 100; bivouac list" | tr -d '\r' >list
ok "list tells of the job" grep -q '^long ' list
is "$(awk 'length > 100' list)" "" "no line is wider than the terminal"
ok "elsewhere it is whole" grep -q "$long" <(bv list)
finish_job one
finish_jobs
