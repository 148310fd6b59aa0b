# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests with a real scheduler share: jobs of ordinary users, and their output, each line of which must be there
# once.

# shellcheck source=tests/lib/users.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/users.sh"

# shellcheck disable=SC2034
apps=/usr/local/libexec/bivouac/tests

# generations USER JOB: how many.
generations()
{
    bv_on "$1" show "$2" --json | jq '.generations | length'
}

has_generations()
{
    (($(generations "$1" "$2") >= $3))
}

# events USER JOB EVENT: how many.
events()
{
    grep -c "\"event\":\"$3\"" "$(getent passwd "$1" | cut -d: -f6)/.bivouac/jobs/$2/events.jsonl" || :
}

# ticks FILE: the lines of the program "ticker" that are on standard output, in their order.
ticks()
{
    grep '^tick ' "$1" || :
}

all_ticks()
{
    local i

    for ((i = 1; i <= $1; i++)); do
        printf 'tick %d of %d\n' "$i" "$1"
    done
}

has_tick()
{
    (($(ticks "$1" | wc -l) >= $2))
}

# each_tick_once FILE STEPS NAME
each_tick_once()
{
    is "$(ticks "$1")" "$(all_ticks "$2")" "$3"
}
