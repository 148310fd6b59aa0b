#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac matrix itself: which rows are run, what is printed, how it ends, and that nothing is left.
# shellcheck disable=SC2016 # jq has variables, too
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

export TMPDIR=$work/tmp
mkdir "$TMPDIR"

# matrix ARGUMENT…: the exit status; what is printed goes to "out" and "err".
matrix()
{
    status_of bv matrix "$@"
}

nothing_left()
{
    is "$(ls -A "$TMPDIR")" "" "$1: the scratch directory is gone"
    ok "$1: the user has no store" test ! -e "$BIVOUAC_STORE"
}

# --- which rows -----------------------------------------------------------------------------------

is "$(matrix --list)" 0 "--list"
like "$(head -n 1 out)" '^GROUP +ROW +WHAT$' "it has titles"
rows=$(awk 'NR > 1 { print $2 }' out)
is "$(sort <<<"$rows" | uniq -d)" "" "no row is there twice"
is "$(matrix --list --json)" 0 "--list --json"
is "$(jq -r '.rows[].row' out)" "$rows" "has the same rows"
is "$(matrix --list --group moved serial)" 0 "a group and a row"
is "$(awk 'NR > 1 { print $1 }' out | sort -u | tr '\n' ' ')" "moved process " "are listed"
is "$(matrix --list --group nothing)" 2 "a group that there is not"
like "$(<err)" "there is no group 'nothing': see bivouac matrix --list" "is named"
is "$(matrix serial nothing)" 2 "a row that there is not"
like "$(<err)" "there is no row 'nothing'" "is named"
for bad in 0 65 x; do
    is "$(matrix --jobs "$bad" serial)" 2 "--jobs $bad"
done
nothing_left "without any run"

# --- what is printed ------------------------------------------------------------------------------

printf '%s\n' 'serial works|lost # first' '' '# all' 'static fails' 'gone works' >expected
is "$(BIVOUAC_EVERY=never BIVOUAC_STORE=/nowhere matrix --json --expect expected serial static)" 1 \
    "a row that is not as expected; the user's own settings do not count"
is "$(keys_of . <out)" "counts differences engine level rows" "--json: keys"
is "$(keys_of '.rows[0]' <out)" "frozen_s group level outcome raw_bytes row seconds stored_bytes text title" \
    "--json: keys of a row"
is "$(jq -c '[.rows[].row]' out)" '["serial","static"]' "the rows that were asked for, in the table's order"
is "$(jq -c '[.rows[].outcome]' out)" '["works","works"]' "what became of them"
ok "with what it cost" jq -e '.rows | all(.frozen_s > 0 and .stored_bytes > 0 and .raw_bytes >= .stored_bytes)' out
is "$(jq -c '[.counts.works, .counts.fails, .level]' out)" '[2,0,"rootless"]' "and the counts"
is "$(jq -r '.differences[]' out)" "static: works, and fails was expected" "the difference; what was not run is none"
nothing_left "after a run"

echo 'serial works' >expected
is "$(matrix --expect expected static)" 1 "a row of which the file says nothing"
like "$(tail -n 1 out)" '^differs from what is expected: static: works, and the file does not say' "is a difference"
is "$(matrix --expect expected serial)" 0 "as expected: 0"
like "$(<out)" 'process +serial +rootless +works +0\.[0-9]+ s +[0-9.]+ [KM]iB +a program that computes' "a line of the table"
is "$(tail -n 1 out)" "1 work, 0 lose something and say so, 0 are refused, 0 fail, 0 are not here" "and the sum"
for bad in serial 'serial well' 'serial works|' 'serial works fails' $'serial works\nserial works'; do
    printf '%s\n' "$bad" >expected
    is "$(matrix --expect expected serial)" 2 "an expectation with '${bad//$'\n'/; }'"
    like "$(<err)" 'expected:[12]: ' "names the line"
done
is "$(matrix --expect nowhere serial)" 101 "an expectation that is not there"

# --- rows that fail -------------------------------------------------------------------------------

# broken NAME: a program in the place of the serial row's, whose text is standard input.
broken()
{
    rm -rf broken
    mkdir broken
    cat >broken/process
    chmod +x broken/process
}

# fails_with WORDS [OPTION…]: the serial row fails, and says why.
fails_with()
{
    local words=$1

    shift
    is "$(matrix --json --programs broken "$@" serial)" 1 "$words: status 1"
    is "$(jq -r '.rows[0].outcome' out)" fails "$words: it fails"
    like "$(jq -r '.rows[0].text' out)" "$words" "$words: it says so"
    nothing_left "$words"
}

wait_for_go='echo ready; until test -e go; do sleep 0.01; done'
broken <<<$'#!/bin/sh\necho the object is not there; exit 1'
fails_with 'before it was ready the job ended with status 1: the object is not there'
broken <<<$'#!/bin/sh\n'"$wait_for_go; echo the object is gone; exit 1"
fails_with 'after the restart the job ended with status 1: the object is gone'
broken <<<$'#!/bin/sh\n'"$wait_for_go; exit 0"
fails_with 'after the restart the job ended with status 0: ready'
broken <<<$'#!/bin/sh\nsleep 100'
fails_with "the program did not say 'ready' for 1 s" --timeout 1
broken <<<$'#!/bin/sh\n'"$wait_for_go; sleep 100"
fails_with 'the job did not end for 3 s' --timeout 3
broken <<<$'#!/bin/sh\necho this machine has no such thing; exit 77'
is "$(matrix --json --programs broken serial)" 0 "what this machine cannot have is no failure"
is "$(jq -c '.rows[0] | [.outcome, .text, .frozen_s]' out)" '["not-here","this machine has no such thing",null]' "it is told"
is "$(matrix --programs nowhere serial)" 2 "programs that are not there"

broken <<<$'#!/bin/sh\n'"$wait_for_go; echo ok"
is "$(matrix --keep --programs broken serial)" 0 "--keep"
kept=$(sed -n 's/.* is kept in //p' err)
ok "leaves what the row has written" test -s "$kept/serial/work/.out"
is "$(stat -c %a "$kept")" 700 "for the user alone"
rm -r "$kept"

# --- how it ends ----------------------------------------------------------------------------------

is "$(BIVOUAC_CRIU=$work/missing matrix serial)" 107 "without criu: 107"
nothing_left "without criu"

broken <<<$'#!/bin/sh\n'"$wait_for_go; echo ok"$'\n'
printf '#!/bin/sh\necho begun >%s/begun\nsleep 100\n' "$work" >broken/process
for signal in INT TERM; do
    rm -f begun
    env --default-signal bivouac matrix --programs broken serial threads >out 2>err &
    pid=$!
    require wait_for test -s begun
    kill "-$signal" "$pid"
    status=0
    wait "$pid" || status=$?
    is "$status" "$((128 + $(kill -l "$signal")))" "SIG$signal ends it, as who waits for it can see"
    wait_for no_strangers || :
    nothing_left "SIG$signal"
    remains_nothing "$work"
done
finish_jobs
