# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Helpers of the bash tests. A test sources this file, calls the checks below and ends with
# "finish"; its standard output is TAP. Every check returns 0, so that "set -e" does not end
# the test at the first failure; "require" is for a step without which nothing else makes sense.
#
#   . /src/tests/lib/tap.sh
#   ok "it starts" bivouac --version
#   is "$(cat out)" "42" "the answer comes out"
#   finish

tap_count=0
tap_failed=0
tap_planned=''

# Seconds for wait_for when it is given no deadline; a slow machine may need a factor.
tap_deadline=$((30 * ${TEST_TIME_FACTOR:-1}))

# Prints its arguments, or standard input without any, as diagnostics.
diag()
{
    if (($# > 0)); then
        printf '%s\n' "$*"
    else
        cat
    fi | sed 's/^/# /'
}

# The beginning of standard input as diagnostics; reads all of it, so that no writer gets SIGPIPE.
excerpt()
{
    sed -n '1,40s/^/# /p'
}

# One line of a command that may have many arguments.
shorten()
{
    if ((${#1} > 200)); then
        printf '%s ...' "${1:0:200}"
    else
        printf '%s' "$1"
    fi
}

# plan N: optional; says at the start how many checks there will be.
plan()
{
    tap_planned=$1
    printf '1..%d\n' "$1"
}

# skip_all REASON: ends the test; nothing in it can run here.
skip_all()
{
    printf '1..0 # SKIP %s\n' "$*"
    exit 0
}

pass()
{
    tap_count=$((tap_count + 1))
    printf 'ok %d - %s\n' "$tap_count" "$*"
}

# not_ok NAME [FILE…]: a failed check, with the ends of the files as diagnostics.
not_ok()
{
    local name=$1 file

    shift
    tap_count=$((tap_count + 1))
    tap_failed=$((tap_failed + 1))
    printf 'not ok %d - %s\n' "$tap_count" "$name"
    for file; do
        diag "--- $file"
        { tail -n 20 -- "$file" 2>&1 || :; } | diag
    done
}

# ok NAME [CMD…]: passes when CMD succeeds (without CMD: passes). Its output is shown on failure.
ok()
{
    local name=$1 output status=0

    shift
    if (($# == 0)); then
        pass "$name"
        return
    fi
    output=$("$@" 2>&1) || status=$?
    if ((status == 0)); then
        pass "$name"
    else
        not_ok "$name"
        diag "status $status of: $(shorten "$*")"
        tail -n 30 <<<"$output" | diag
    fi
}

# fails NAME STATUS CMD…: passes when CMD ends with exactly that exit status.
fails()
{
    local name=$1 expected=$2 output status=0

    shift 2
    output=$("$@" 2>&1) || status=$?
    if ((status == expected)); then
        pass "$name"
    else
        not_ok "$name"
        diag "status $status, expected $expected, of: $(shorten "$*")"
        tail -n 30 <<<"$output" | diag
    fi
}

# is GOT EXPECTED NAME
is()
{
    if [[ $1 == "$2" ]]; then
        pass "$3"
    else
        not_ok "$3"
        { diff -u --label expected --label got <(printf '%s\n' "$2") <(printf '%s\n' "$1") || :; } | excerpt
    fi
}

# isnt GOT UNWANTED NAME
isnt()
{
    if [[ $1 != "$2" ]]; then
        pass "$3"
    else
        not_ok "$3"
        diag "got the unwanted value: $1"
    fi
}

# like TEXT REGEX NAME: an extended regular expression, found anywhere in TEXT.
like()
{
    if [[ $1 =~ $2 ]]; then
        pass "$3"
    else
        not_ok "$3"
        diag "no match for: $2"
        excerpt <<<"$1"
    fi
}

unlike()
{
    if [[ ! $1 =~ $2 ]]; then
        pass "$3"
    else
        not_ok "$3"
        diag "matches: $2"
        excerpt <<<"$1"
    fi
}

# same_file GOT EXPECTED NAME: byte by byte.
same_file()
{
    if cmp -s -- "$1" "$2"; then
        pass "$3"
    else
        not_ok "$3"
        { cmp -- "$1" "$2" 2>&1 || :; } | diag
        { diff -u -- "$2" "$1" 2>&1 || :; } | excerpt
    fi
}

# skip REASON [COUNT]: counts as COUNT skipped checks.
skip()
{
    local i

    for ((i = 0; i < ${2:-1}; i++)); do
        tap_count=$((tap_count + 1))
        printf 'ok %d # SKIP %s\n' "$tap_count" "$1"
    done
}

# require CMD…: ends the test as failed when CMD fails.
require()
{
    "$@" && return
    printf 'Bail out! failed: %s\n' "$*"
    exit 1
}

# wait_for [-t SECONDS] CMD…: polls until CMD succeeds; fails at the deadline. There are no
# fixed sleeps in tests: what is waited for is named.
wait_for()
{
    local deadline=$tap_deadline end

    if [[ $1 == -t ]]; then
        deadline=$2
        shift 2
    fi
    end=$((SECONDS + deadline))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            diag "waited $deadline s in vain for: $*"
            return 1
        fi
        sleep 0.05
    done
}

# The usual conditions to wait for.
lines_at_least()
{
    (($(wc -l <"$1") >= $2))
}

is_gone()
{
    ! kill -0 "$1"
}

# as_user NAME CMD…: from a test that runs as root.
as_user()
{
    local user=$1 home

    shift
    home=$(getent passwd "$user" | cut -d: -f6)
    env HOME="$home" USER="$user" LOGNAME="$user" \
        setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups -- "$@"
}

# scratch: prints a new, empty directory; the run's file system vanishes with the run.
scratch()
{
    mktemp -d "${TMPDIR:-/tmp}/test.XXXXXX"
}

# finish: prints the plan when there was none and ends the test with its result.
finish()
{
    [[ -n $tap_planned ]] || printf '1..%d\n' "$tap_count"
    ((tap_failed == 0)) || exit 1
    exit 0
}
