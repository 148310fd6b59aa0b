#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is written agrees with what is there: man pages, helps and exit codes.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

man=/src/man

# The options at the beginning of a help's lines: "-j" and "--job", one a line.
options_of_help()
{
    bv "$1" --help | sed -nE 's/^ +((-[a-zA-Z]), )?(--[a-z][a-z-]*).*/\2 \3/p' | tr ' ' '\n' | grep . | sort
}

# The tags of a man page: ".It Fl j , Fl -job Ar id", or ".It Fl j , -job Ar id".
options_of_page()
{
    sed -nE 's/^\.It (Fl .*)/\1/p' "$1" | sed 's/ , -/ , Fl -/' | grep -oE 'Fl -?[a-zA-Z][a-z-]*' | sed 's/^Fl /-/' |
        sort -u
}

mapfile -t commands < <(commands_of_help)
ok "there are commands" test "${#commands[@]}" -ge 9
for command in "${commands[@]}"; do
    page=$man/bivouac-$command.1
    ok "bivouac-$command(1) exists" test -s "$page"
    [[ -s $page ]] || continue
    is "$(options_of_page "$page")" "$(options_of_help "$command")" \
        "bivouac-$command(1) and bivouac $command --help have the same options"
    ok "bivouac(1) refers to bivouac-$command(1)" grep -qE "bivouac-$command 1|Cm $command" "$man/bivouac.1"
done
for page in "$man"/bivouac-*.1; do
    name=$(basename "$page" .1)
    ok "$name(1) is of a command" grep -qx "${name#bivouac-}" <(printf '%s\n' "${commands[@]}")
done
for page in "$man"/*.[1-9]; do
    is "$(mandoc -T lint -W warning "$page" 2>&1)" "" "$(basename "$page") is clean"
    ok "$(basename "$page") can be shown" mandoc -T ascii "$page"
    ok "$(basename "$page") is installed" test -s "/usr/local/share/man/man${page##*.}/$(basename "$page")"
done

# Every page that another refers to is there, if it is one of ours.
while read -r name section; do
    ok "$name($section), which a page refers to, exists" test -s "$man/$name.$section"
done < <(sed -nE 's/^\.Xr (bivouac[a-z.-]*) ([0-9]).*/\1 \2/p' "$man"/*.[1-9] | sort -u)

# Settings: those of "bivouac config" are the keys of bivouac.conf(5), and of the example, where each is a comment.
bv config --json | python3 -c 'import json, sys; print("\n".join(sorted(json.load(sys.stdin)["settings"])))' >keys
ok "there are settings" test "$(wc -l <keys)" -ge 7
is "$(sed -n '/^\.Ss Keys/,/^\.Sh/s/^\.It Cm //p' "$man/bivouac.conf.5" | sort)" "$(<keys)" \
    "bivouac.conf(5) has the settings that there are"
is "$(sed -nE 's/^#([a-z-]+) = .*/\1/p' /src/packaging/bivouac.conf | sort)" "$(<keys)" \
    "and so has the example of a site file"
is "$(bv config --check /src/packaging/bivouac.conf)" "" "which sets nothing as it is"
sed 's/^#\([a-z-]* = \)/\1/' /src/packaging/bivouac.conf >all.conf
is "$(bv config --check all.conf | awk '{ print $1 }' | sort)" "$(<keys)" "and is right if all of it is used"

# Exit codes: "NUMBER" of the source and of the page.
codes_of_source()
{
    sed -nE 's/^ +X\(BV_[A-Z]+, ([0-9]+), .*/\1/p' /src/src/base/error.h | sort -n
}

codes_of_page()
{
    sed -nE 's/^\.It (Sy |Cm |Li )?([0-9]+( , [0-9]+)*)( .*)?$/\2/p' "$1" | grep -oE '[0-9]+' | sort -n
}

ok "the source has exit codes" test "$(codes_of_source | wc -l)" -ge 20
is "$(codes_of_page "$man/bivouac-exit-codes.7" | uniq)" "$(codes_of_source)" \
    "bivouac-exit-codes(7) has the exit codes of the source"
is "$(codes_of_source | uniq -d)" "" "no two errors have one code"
for page in "$man"/bivouac-*.1; do
    is "$(comm -23 <(codes_of_page "$page" | sort) <(codes_of_source | sort))" "" \
        "$(basename "$page") names no exit code that there is not"
done
finish
