#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# What belongs to another user is refused, and nothing of it is touched.
# shellcheck disable=SC2119,SC2120,SC2317
set -euo pipefail
cd /
. /src/tests/lib/tap.sh

# refused NAME STATUS REGEX CMD…
refused()
{
    local name=$1 status=$2 text=$3 got=0 said

    shift 3
    said=$("$@" 2>&1 </dev/null) || got=$?
    is "$got" "$status" "$name: status $status"
    like "$said" "$text" "$name: the message tells"
    is "$(wc -l <<<"$said")" 1 "$name: in one sentence"
}

everything()
{
    find "$1" -printf '%p %u %m %s %T@\n' | sort
}

as_bob()
{
    as_user bob "$@"
}

as_alice()
{
    as_user alice "$@"
}

store=/home/bob/store
require as_bob bivouac run --store "$store" --job bobs -- true
before=$(everything "$store")

refused "a store in a closed home directory" 102 "$store" as_alice bivouac restart --store "$store" bobs
chmod 755 /home/bob
refused "a closed store" 102 "$store" as_alice bivouac run --store "$store" --job bobs -- true
refused "a closed store, checkpoint" 102 "$store" as_alice bivouac checkpoint --store "$store" bobs
# Read-only for all, as after a careless chmod.
chmod -R a+rX "$store"
before=$(everything "$store")
refused "a store of another user" 102 "belongs to user bob" as_alice bivouac run --store "$store" --job bobs -- true
refused "a store of another user, restart" 102 "belongs to user bob" as_alice bivouac restart --store "$store" bobs
refused "a store of another user, checkpoint" 102 "belongs to user bob" as_alice bivouac checkpoint --store "$store" bobs
is "$(everything "$store")" "$before" "nothing in it was changed"

# A store that root made for all of a group would still hold jobs of one user each.
mkdir -m 755 /home/common
mkdir -m 755 /home/common/jobs
printf 'bivouac-store 1\n' >/home/common/format
cp -a "$store/jobs/bobs" /home/common/jobs/
before=$(everything /home/common)
refused "a job of another user" 102 "bobs" as_alice bivouac restart --store /home/common bobs
refused "a job of another user, run" 102 "bobs" as_alice bivouac run --store /home/common --job bobs -- true
refused "a job of another user, checkpoint" 102 "bobs" as_alice bivouac checkpoint --store /home/common bobs
is "$(everything /home/common)" "$before" "nothing of it was changed"

# A runtime directory that somebody else has made first.
install -d -m 777 -o bob -g bob /tmp/bivouac-1000
refused "a runtime directory of another user" 102 "/tmp/bivouac-1000" as_alice bivouac run --job mine -- true
rmdir /tmp/bivouac-1000
install -d -m 777 -o alice -g alice /tmp/bivouac-1000
refused "a runtime directory that anybody can write" 102 "/tmp/bivouac-1000" as_alice bivouac run --job mine -- true
rmdir /tmp/bivouac-1000
ln -s /home/bob /tmp/bivouac-1000
refused "a runtime directory that is a link" 102 "/tmp/bivouac-1000" as_alice bivouac run --job mine -- true

finish
