#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The benchmarks' driver and program work; nothing is said about numbers.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/tap.sh

bench=/src/bench/bench
hog=/usr/local/libexec/bivouac/bench/hog
work=$(mktemp -d)

# --- the driver's options

list=$("$bench" --list)
for name in freeze-4g-zero durable-256m-float bytes-10pct-1g restart-1g-random restart-gen100 run-overhead freeze-lammps; do
    like $'\n'"$list"$'\n' $'\n'"$name"$'\n' "there is a row $name"
done
is "$("$bench" --quick --list | grep -cE -- '-(256m|4g)|lammps')" 0 "quick: 1 GiB only"
is "$("$bench" --rows restart-64m-zero,run-overhead --list | sort | paste -sd ' ')" "restart-64m-zero run-overhead" \
    "chosen rows only"
fails "an unknown row is refused" 2 "$bench" --rows freeze-16m-pink
fails "no rounds are refused" 2 "$bench" --rounds 0

# --- the program

seq=0

# ask VERB [N]: prints the answer without its number.
ask()
{
    seq=$((seq + 1))
    printf '%d %s\n' "$seq" "$*" >"$work/hog/line"
    mv "$work/hog/line" "$work/hog/ask"
    wait_for answered || require "the hog answers to $*" false
    reply=$(cut -d ' ' -f 2- "$work/hog/answer")
}

answered()
{
    grep -qs "^$seq " "$work/hog/answer"
}

mkdir "$work/hog"
fails "a program without a directory is refused" 2 "$hog"
for data in random float zero; do
    rm -f "$work/hog/answer"
    "$hog" --dir "$work/hog" --size 16m --data "$data" &
    pid=$!
    ask hello
    is "$reply" "ok pid=$pid bytes=16777216" "$data: it says what it is"
    ask sum
    first=${reply% *}
    ask sum
    is "${reply% *}" "$first" "$data: its memory stays as it is"
    ask work 1
    ask sum
    is "${reply% *}" "$first" "$data: work leaves its memory as it was"
    ask change 10
    like "$reply" '^ok pages=409 ' "$data: a tenth of the pages is changed"
    ask sum
    isnt "${reply% *}" "$first" "$data: which is seen"
    ask gap
    kill -STOP "$pid"
    sleep 0.3
    kill -CONT "$pid"
    ask gap
    ok "$data: it knows that it was stopped" awk -v reply="$reply" \
        'BEGIN { split(reply, w, /[ =]/); exit !(w[3] >= 0.3 && w[5] >= 0.3) }'
    ask end
    wait "$pid"
done

# --- one round of one row

ok "a round can be measured" "$bench" --rows freeze-16m-random --rounds 1 --output "$work"
is "$(jq -r '.[] | keys_unsorted | join(" ")' "$work/bench.json")" "name against ratio min max rounds" \
    "the result has its fields"
is "$(jq -r '.[] | [.name, .rounds] | join(" ")' "$work/bench.json")" "freeze-16m-random 1" "and the row asked for"
ok "and is a number" jq -e '.[0].ratio > 0' "$work/bench.json"
ok "the plot is XML" python3 -c 'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' "$work/bench.svg"
printf 'a\n<!-- bench -->\nold\n<!-- /bench -->\nb\n' >"$work/page.md"
ok "a page gets the table" /src/bench/render --into "$work/page.md" "$work"
is "$(grep -c '^| .freeze-16m-random. |' "$work/page.md"),$(grep -c old "$work/page.md"),$(tail -n 1 "$work/page.md")" \
    "1,0,b" "in its place"
is "$(find ~ /dev/shm -maxdepth 1 -name 'bench.*')" "" "no file is left"
rm -rf "$work"
finish
