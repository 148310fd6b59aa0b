#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# testbed: net
# bivouac-link, which an administrator may make setuid root: what it does, and all that it refuses.
set -euo pipefail
. /src/tests/lib/tap.sh
. /src/tests/network/lib/segment.sh

list=/etc/bivouac/links.conf

# says STATUS REGEX NAME CMD…: it ends with that status, and one line that matches.
says()
{
    local status=$1 regex=$2 name=$3 output got=0

    shift 3
    output=$("$@" 2>&1) || got=$?
    like "$got: $output" "^$status: [^"$'\n'"]*${regex}[^"$'\n'"]*$" "$name"
}

# namespace USER VAR: a network of that user's, open as a descriptor whose number VAR gets; its process is VAR_pid.
namespace()
{
    local pid fd

    # shellcheck disable=SC2016
    as_user "$1" unshare --user --map-current-user --net --keep-caps \
        sh -c 'ip link set lo up; echo "$$"; exec sleep 300' >"/run/$2" &
    wait_for test -s "/run/$2"
    pid=$(<"/run/$2")
    exec {fd}<"/proc/$pid/ns/net"
    printf -v "$2" %d "$fd"
    printf -v "$2_pid" %d "$pid"
}

# The interface of the network open as descriptor $1.
outer_of()
{
    printf 'bv%s\n' "$(stat -Lc %i "/proc/$$/fd/$1")"
}

flags_of()
{
    ip -o link show "$1" | grep -oE '<[^>]*>'
}

# shellcheck disable=SC2317
is_no_interface()
{
    ! ip link show "$1"
}

ip link add lan address 02:00:5e:00:00:01 mtu 1400 type bridge
ip link set lan up
ip link add quiet type bridge
ours='' ours_pid='' other='' other_pid='' foreign='' foreign_pid=''
namespace alice ours
namespace alice other
namespace bob foreign
mac=02:00:00:00:00:07

# --- rights ---------------------------------------------------------------------------------

says 102 "only for root, or when an administrator has made it" "as it is installed, it is root's" \
    as_user alice "$link" check lan 192.0.2.7
setuid_link
says 102 "only root may use a bridge while there is no list.*$list" "without a list nobody else may use a bridge" \
    as_user alice "$link" check lan 192.0.2.7
ok "root may" "$link" check lan 192.0.2.7
allow 'allow alice lan 192.0.2.0/29,2001:db8::/64'
for change in "chmod 664" "chmod 646" "chown alice"; do
    # shellcheck disable=SC2086
    $change "$list"
    says 102 "counts only as a file of root's, no symbolic link, that nobody else may write to" "a list does not count behind $change" \
        as_user alice "$link" check lan 192.0.2.7
    chown root "$list"
    chmod 600 "$list"
done
mv "$list" "$list.real"
ln -s "$list.real" "$list"
says 102 "counts only" "nor one behind a symbolic link" as_user alice "$link" check lan 192.0.2.7
rm "$list"
mv "$list.real" "$list"

ok "who is on the list may" as_user alice "$link" check lan 192.0.2.7
ok "and with the length of the network" as_user alice "$link" check lan 2001:db8::7/64
says 102 "no line of $list lets you use the bridge lan with this address" "but not with another address" \
    as_user alice "$link" check lan 192.0.2.8
says 102 "no line" "not on another bridge" as_user alice "$link" check quiet 192.0.2.7
says 102 "no line" "and nobody else may" as_user bob "$link" check lan 192.0.2.7
says 102 "no line" "nor make a link without asking first" as_user bob "$link" make lan 192.0.2.7 "$mac" "$foreign"
allow 'allow @team lan any'
ok "a group may be on it" as_user bob "$link" check lan 198.51.100.1
allow 'allow * lan any' 'alow bob lan any'
says 102 "$list:2: this is no line" "what is not understood denies everything" as_user alice "$link" check lan 192.0.2.7
allow 'allow alice lan any' 'allow alice quiet any' 'allow alice none any' 'allow alice lo any' 'allow bob lan any'

# --- bridges --------------------------------------------------------------------------------

says 109 "this host has no bridge none" "a bridge that is missing" as_user alice "$link" check none 192.0.2.7
says 109 "lo of this host is no bridge" "an interface that is none" as_user alice "$link" check lo 192.0.2.7
says 109 "quiet of this host is down" "one that is down" as_user alice "$link" check quiet 192.0.2.7

# --- namespaces -----------------------------------------------------------------------------

exec {host}</proc/self/ns/net
says 102 "another user" "the network of another user" as_user alice "$link" make lan 192.0.2.7 "$mac" "$foreign"
says 102 "another user" "nor is it brought up" as_user alice "$link" up "$foreign"
says 102 "the host itself" "the network of the host" as_user alice "$link" make lan 192.0.2.7 "$mac" "$host"
says 102 "the host itself" "for root too" "$link" down "$host"
exec {user}<"/proc/$ours_pid/ns/user"
exec {file}</etc/passwd
says 2 "no network namespace" "a namespace of another kind" as_user alice "$link" up "$user"
says 2 "no network namespace" "a file" as_user alice "$link" up "$file"
says 2 "no network namespace" "a descriptor that is not there" as_user alice "$link" up 999
says 102 "another user" "nor removed" as_user alice "$link" remove "$foreign"
says 109 "No such device" "a link that is not there is not removed" as_user alice "$link" remove "$ours"
says 109 "no link to this host" "a network without a link" as_user alice "$link" up "$ours"

# --- words ----------------------------------------------------------------------------------

for words in "" up "up x" "up 3 4" "up 1" "up -1" "up 99999999999999999999" "make lan 192.0.2.7 $mac" "remove" "replace 3" "check lan" \
    "make lan 192.0.2.7 $mac 3x"; do
    # shellcheck disable=SC2086
    says 2 "not called as it should be" "the words '$words'" as_user alice "$link" $words
done
says 2 "no address" "an address that is none" as_user alice "$link" check lan 192.0.2.700
says 2 "no address" "a network too long" as_user alice "$link" check lan 192.0.2.7/33
says 2 "no hardware address" "a hardware address of many" as_user alice "$link" make lan 192.0.2.7 01:00:00:00:00:07 "$ours"
says 102 "no line" "a name too long" as_user alice "$link" check "$(printf 'x%.0s' {1..5000})" 192.0.2.7
says 102 "no line" "no name" as_user alice "$link" check "" 192.0.2.7
# What it says must not go to what it has opened.
closed_status=0
as_user alice "$link" check none 192.0.2.7 0<&- 1>&- 2>&- || closed_status=$?
is "$closed_status" 109 "it works without standard files"
like "$("$link" --help)" "usage: bivouac-link" "--help"

# --- the link -------------------------------------------------------------------------------

ok "a link is made" as_user alice "$link" make lan 192.0.2.7/24 "$mac" "$ours"
outer=$(outer_of "$ours")
like "$(ip -o link show "$outer")" "mtu 1400 .* master lan .* fe:00:00:00:00:07" "it is at the bridge, and has its MTU"
unlike "$(flags_of "$outer")" "UP" "and is down"
like "$(nsenter --target "$ours_pid" --net ip -o link show eth0)" "mtu 1400 .* $mac" "its other end is in the namespace"
like "$(ip -o link show lan)" "02:00:5e:00:00:01" "the bridge has the address that it had"
ok "a second one takes its place" as_user alice "$link" make lan 192.0.2.7 "$mac" "$ours"
like "$(ip -o link show "$outer")" "master lan .* fe:00:00:00:00:07" "and its name"
ok "it goes up" as_user alice "$link" up "$ours"
like "$(flags_of "$outer")" "[<,]UP" "and is"
ok "down" as_user alice "$link" down "$ours"
unlike "$(flags_of "$outer")" "[<,]UP" "and is"
# As somebody leaves it who moves the inner end away before the namespace goes, whose number is another's then.
ip link add "$(outer_of "$other")" address fe:00:00:00:00:09 master quiet type veth peer name stray
ok "a second namespace has a second one" as_user alice "$link" make lan 192.0.2.8 02:00:00:00:00:08 "$other"
like "$(ip -o link show "$(outer_of "$other")")" "master lan .* fe:00:00:00:00:08" "in the place of what had its name"
ok "which is removed" as_user alice "$link" remove "$other"
ok "and gone" is_no_interface "$(outer_of "$other")"
ok "alone" ip link show "$outer"
ip link add "$(outer_of "$other")" type bridge
says 109 "cannot link the job's network" "another interface of its name stays" as_user alice "$link" make lan 192.0.2.8 02:00:00:00:00:08 "$other"
ip link del "$(outer_of "$other")"

# --- an address that is in use --------------------------------------------------------------

nsenter --target "$ours_pid" --net sh -c 'ip addr add 192.0.2.7/24 dev eth0; ip addr add 2001:db8::7/64 dev eth0 nodad
    ip link set eth0 up'
ok "nobody answers while it is down" as_user alice "$link" probe lan 192.0.2.7
as_user alice "$link" up "$ours"
says 109 "192.0.2.7/24 is in use already, by $mac" "what is up answers" as_user alice "$link" probe lan 192.0.2.7/24
says 109 "2001:db8::7 is in use already, by $mac" "IPv6 too" as_user alice "$link" probe lan 2001:db8::7
ok "another address is free" as_user alice "$link" probe lan 192.0.2.9
# shellcheck disable=SC2016
rights=$(as_user alice sh -c '"$1" probe lan 192.0.2.7 2>/dev/null & while kill -0 $! && sleep 0.05; do
    sed -nE "s/^(CapPrm|CapEff|Uid|NoNewPrivs):\s*//p" /proc/$!/status; break; done; wait' - "$link")
is "$rights" $'1000\t1000\t1000\t1000\n0000000000003000\n0000000000003000\n1' \
    "at work it is the user, with CAP_NET_ADMIN and CAP_NET_RAW, and can get no more"

# --- its end --------------------------------------------------------------------------------

kill "$ours_pid" "$other_pid" "$foreign_pid"
wait 2>/dev/null
exec {ours}<&- {other}<&-
ok "a link goes with its namespace" wait_for is_no_interface "$outer"

# --- as a job has it ------------------------------------------------------------------------

# A job that is refused has begun no attempt.
refused()
{
    says "$1" "$2" "$3" as_user alice bivouac run --job "$4" --network "private,$5" -- true
    # shellcheck disable=SC2016
    is "$(as_user alice sh -c 'ls ~/.bivouac/jobs/"$1"/attempts 2>/dev/null' - "$4" || :)" "" "and nothing has begun"
}

refused 109 "bivouac-link: this host has no bridge none" "run: no bridge" none address=192.0.2.7/24,bridge=none
allow 'allow bob lan any'
refused 102 "no line of $list" "run: not on the list" denied address=192.0.2.7/24,bridge=lan
allow 'allow alice lan any'
ip addr add 192.0.2.1/24 dev lan
cd /home/alice
says 109 "cannot set the job's gateway, which must be in the network" "run: a gateway elsewhere" \
    as_user alice bivouac run --job far --network private,address=192.0.2.7/24,bridge=lan,gateway=198.51.100.1 -- true
ok "run: the gateway is set, and the address there" as_user alice \
    bivouac run --network private,address=192.0.2.7/24,bridge=lan,gateway=192.0.2.1 -- \
    sh -c 'ip route | grep -q "default via 192.0.2.1 dev eth0" && ip -o addr | grep -q "eth0 *inet 192.0.2.7/24"'
umount "$link"
chmod 755 /run/bivouac-link
refused 102 "only for root" "run: not setuid" plain address=192.0.2.7/24,bridge=lan
finish
