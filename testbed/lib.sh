# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
# What the testbed's scripts share: where the cached root lies and how they fail.

testbed_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(dirname "$testbed_dir")

die()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 125
}

note()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# The cache lies outside the checkout, so that fresh clones share one root.
cache_dir()
{
    printf '%s\n' "${BIVOUAC_TESTBED_CACHE:-${XDG_CACHE_HOME:-/var/cache}/bivouac-testbed}"
}

# Names the root by what decides its content.
root_key()
{
    {
        cat "$testbed_dir/packages" "$testbed_dir/build"
        uname -m
    } | sha256sum | cut -c1-16
}

# The packages of one suite, "trixie" or "sid".
packages_of()
{
    local suite=$1

    sed -e 's/#.*//' -e 's/[[:space:]]*$//' "$testbed_dir/packages" |
        awk -v suite="$suite" '
            NF == 0 { next }
            $1 == "sid:" { if (suite == "sid") print $2; next }
            suite == "trixie" { print $1 }'
}

# Sets relay_in, relay_out and relay_err: how a command in another mount namespace gets our
# standard files. Only pipes and sockets may pass: CRIU cannot dump a file or terminal that
# was opened outside the mount namespace in which it runs. Everything else goes through cat.
# Call finish_relays when the command has ended.
start_relays()
{
    relay_pids=()
    if [[ -p /dev/fd/0 || -S /dev/fd/0 || /dev/fd/0 -ef /dev/null ]]; then
        exec {relay_in}<&0
    else
        exec {relay_in}< <(exec cat)
        relay_reader=$!
    fi
    if [[ -p /dev/fd/1 || -S /dev/fd/1 ]]; then
        exec {relay_out}>&1
    else
        exec {relay_out}> >(exec cat)
        relay_pids+=("$!")
    fi
    if [[ -p /dev/fd/2 || -S /dev/fd/2 ]]; then
        exec {relay_err}>&2
    elif [[ /dev/fd/2 -ef /dev/fd/1 ]]; then
        # One relay for both keeps the order of what is written to one terminal or file.
        exec {relay_err}>&"$relay_out"
    else
        exec {relay_err}> >(exec cat >&2)
        relay_pids+=("$!")
    fi
}

finish_relays()
{
    exec {relay_in}<&- {relay_out}>&- {relay_err}>&-
    # This cat may wait for a terminal that says nothing more.
    [[ -z ${relay_reader:-} ]] || kill "$relay_reader" 2>/dev/null || :
    ((${#relay_pids[@]} == 0)) || wait "${relay_pids[@]}" || :
}

# Without bash's own report of the death.
kill_quietly()
{
    kill -KILL "$1" 2>/dev/null || :
    wait "$1" 2>/dev/null || :
}

# Runs a command with the relayed files and dies with it: when this shell ends, however it
# ends, the command is killed. Returns the command's exit status.
run_relayed()
{
    local pid status=0

    start_relays
    # In the background, so that a signal to this shell acts at once.
    setpriv --pdeathsig KILL "$@" <&"$relay_in" >&"$relay_out" 2>&"$relay_err" \
        {relay_in}<&- {relay_out}>&- {relay_err}>&- &
    pid=$!
    trap 'kill_quietly "$pid"; exit 143' TERM HUP
    trap 'kill_quietly "$pid"; exit 130' INT
    wait "$pid" || status=$?
    trap - TERM HUP INT
    finish_relays
    return "$status"
}
