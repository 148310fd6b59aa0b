# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The table of bivouac-matrix(1), compared with what is recorded; one check for each row.

# shellcheck source=tests/lib/cycle.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/cycle.sh"

# table_is_as_recorded FILE [GROUP…]: all rows, or those of the groups; the outcomes are in FILE, and what is not in there in
# tests/matrix/expected.
table_is_as_recorded()
{
    local out status=0 expected=$1 row outcome text

    shift
    out=$(scratch)
    awk '!NF || !seen[$1]++' "$expected" /src/tests/matrix/expected >"$out/expected"
    bivouac matrix "${@/#/--group=}" --jobs 2 --timeout "$((60 * ${TEST_TIME_FACTOR:-1}))" --json --expect "$out/expected" \
        >"$out/json" 2>"$out/err" || status=$?
    diag <"$out/err"
    is "$status" 0 "the table is what is recorded"
    while IFS=$'\t' read -r row outcome text; do
        ok "$row: $outcome" test "$outcome" != fails
        [[ -z $text ]] || diag "$text"
    done < <(jq -r '.rows[] | [.row, .outcome, .text // ""] | @tsv' "$out/json")
    is "$(jq -r '.differences[]' "$out/json")" "" "no row differs"
    remains_nothing "$out"
}
