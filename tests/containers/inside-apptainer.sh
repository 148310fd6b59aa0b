#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bivouac inside of Apptainer, without privilege and without an option for its sake.
set -euo pipefail
. /src/tests/containers/lib/inside.sh
make_image
make_job

# An image is read through an overlay, whose layers lie on two file systems.
enter=(apptainer --silent exec "$image")
is "$("${enter[@]}" cat /proc/self/mountinfo | grep -c ' / / .* - overlay ')" 1 "the container's root is an overlay"
isnt "$("${enter[@]}" cat /proc/self/maps | awk '/bin\/cat/ { print $4; exit }')" \
    "$("${enter[@]}" stat -c '%Hd:%Ld' /usr/bin/cat)" "whose files have two numbers of their device"
inside_life default

# Its own pids, ids and /tmp; the control socket is where both sides see it.
export BIVOUAC_RUNTIME_DIR=$work/sockets
enter=(apptainer --silent exec --fakeroot --pid --contain --bind "$work" --pwd "$work/fakeroot" "$image")
inside_life fakeroot

# Without a helper that mounts it, an image file is unpacked at each start.
mksquashfs "$image" "$work/image.sqfs" -quiet -no-progress >/dev/null
enter=(apptainer --silent exec "$work/image.sqfs")
inside_life squashfs
finish
