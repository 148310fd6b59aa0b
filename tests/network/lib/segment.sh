# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
# Hosts on one segment, each with a bridge "lan" on it; the run's own host is there too, at 192.0.2.1 and 2001:db8::1. As
# root, in a run with --net. A script that sources this is called again on a host, as "SCRIPT --on FUNCTION ARGUMENT…", and
# hands that to its function.

link=/usr/local/libexec/bivouac/bivouac-link
stream=/usr/local/libexec/bivouac/tests/stream
server=192.0.2.1
server6=2001:db8::1

# With a server that pushes and echoes, whose log is the file $1.
segment_up()
{
    # With an address of its own, or it would have the lowest of its ports', which come and go.
    ip link add segment address 02:00:5e:00:00:01 type bridge
    ip addr add "$server/24" dev segment
    ip -6 addr add "$server6/64" dev segment nodad
    ip link set segment up
    "$stream" serve :: 7001 "$1" &
    wait_for grep -q listening "$1"
}

# The process that is process 1 of the host whose "testbed/host" has pid $1.
first_process_of()
{
    local unshare child

    for unshare in $(pgrep -P "$1" -x unshare); do
        child=$(pgrep -P "$unshare") && [[ -n $child ]] && printf '%s\n' "$child" && return
    done
    return 1
}

# host_start NAME FUNCTION ARGUMENT…: as root on a new host, in the background. Sets host_pid.
host_start()
{
    local name=$1 first

    shift
    /src/testbed/host "$name" -- "$0" --on "$@" &
    host_pid=$!
    wait_for first_process_of "$host_pid"
    first=$(first_process_of "$host_pid")
    ip link add "v$name" type veth peer name wire netns "$first"
    ip link set "v$name" master segment up
}

# host_run NAME FUNCTION ARGUMENT…: the same, to its end. Sets host_status.
host_run()
{
    host_status=0
    host_start "$@"
    wait "$host_pid" || host_status=$?
}

# On a host.
bridge_up()
{
    wait_for ip link show wire
    ip link add lan type bridge
    ip link set lan up
    ip link set wire master lan up
}

# Let bivouac-link be setuid root, in this run only.
setuid_link()
{
    install -o root -m 4755 "$link" /run/bivouac-link
    mount --bind /run/bivouac-link "$link"
}

# allow LINE…: the list of who may use which bridge.
allow()
{
    mkdir -p /etc/bivouac
    printf '%s\n' "$@" >/etc/bivouac/links.conf
}
