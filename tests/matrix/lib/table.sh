# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The table of bivouac-matrix(1), compared with what is recorded; one check for each row.

# shellcheck source=tests/lib/cycle.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/cycle.sh"

# table_is_as_recorded: all rows; the outcomes are in tests/matrix/expected.
table_is_as_recorded()
{
    local out status=0 row outcome text

    out=$(scratch)
    bivouac matrix --jobs 2 --timeout "$((60 * ${TEST_TIME_FACTOR:-1}))" --json --expect /src/tests/matrix/expected \
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
