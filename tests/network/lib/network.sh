# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A host with a network, and an echo server that a job reaches only from the host's side. Root makes it, calls the script
# again as alice, and sees that no rule of a firewall is left behind.
#
#   # testbed: root net
#   as_root_too() { what root does before, if anything; }
#   . /src/tests/network/lib/network.sh

# The server, which no job's network has as an address of its own.
# shellcheck disable=SC2034
server=198.51.100.1 server6=2001:db8:51::1 port=8000
# An address of the host that root takes away when there is a file $gone.
# shellcheck disable=SC2034
passing=198.51.100.77 gone=/tmp/take-the-address

rules()
{
    nft list ruleset
    iptables -S
    ip6tables -S
}

make_network()
{
    # The one that leads out, which pasta takes as its model, and the server's.
    ip link add out0 type veth peer name far0
    ip link set out0 up && ip link set far0 up
    ip addr add 192.0.2.1/24 dev out0 && ip addr add 2001:db8:2::1/64 dev out0 nodad
    ip route add default via 192.0.2.254 && ip route add default via 2001:db8:2::ff dev out0
    ip link add here0 type veth peer name there0
    ip link set here0 up && ip link set there0 up
    ip addr add "$server/24" dev here0 && ip addr add "$passing/24" dev here0
    ip addr add "$server6/64" dev here0 nodad
    python3 "$(dirname "${BASH_SOURCE[0]}")/server.py" "$port" "$server" "$server6" >/tmp/server.out &
    wait_for grep -q listening /tmp/server.out
}

# Behaves as an administrator would.
take_address()
{
    until [[ -e $gone ]]; do
        sleep 0.05
    done
    ip addr del "$passing/24" dev here0
    rm -f "$gone"
}

as_root()
{
    local before status=0

    # shellcheck source=tests/lib/tap.sh
    . /src/tests/lib/tap.sh
    require make_network
    take_address &
    before=$(rules)
    ! declare -F as_root_too >/dev/null || as_root_too
    as_user alice env --chdir=/home/alice "$0" || status=$?
    is "$(rules)" "$before" "no rule of a firewall is left behind"
    kill "$!" 2>/dev/null || :
    kill "$(jobs -p %1)" || :
    is "$status" 0 "all of that is so"
    finish
}

if (($(id -u) == 0)); then
    as_root
fi

# shellcheck source=tests/integration/lib/jobs.sh
. /src/tests/integration/lib/jobs.sh

# remote ID [OPTION…] -- [ARGUMENT…]: a job that is connected with the server, in the directory ID.
remote()
{
    local id=$1
    local -a options=()

    shift
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    shift
    start_job "$id" "${options[@]}" -- "$apps/remote" "${to:-$server}" "$port" "$@"
    require wait_for says "$id" 'asked 20 times'
}

# lines_of ID: what it has said that does not depend on when.
lines_of()
{
    grep -v '^asked' "$work/$1.out"
}

# again ID: run it again.
again()
{
    start_job "$1" -- "$apps/remote"
}

# asks_on ID: it does something more.
asks_on()
{
    local lines

    lines=$(wc -l <"$work/$1.out")
    wait_for lines_at_least "$work/$1.out" $((lines + 2))
}

# is_twice ID LINE
is_twice()
{
    (($(grep -cx -- "$2" "$work/$1.out") == 2))
}
