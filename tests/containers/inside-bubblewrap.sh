#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bivouac inside of bubblewrap.
set -euo pipefail
. /src/tests/containers/lib/inside.sh
make_image
make_job

# The host's files; the same pids, so that it does not matter who asks.
enter=(bwrap --bind / / --dev /dev --proc /proc)
inside_life shared

# All of its own but the files of the job; asked by the control socket, which is seen by both sides.
enter=(bwrap --bind "$image" / --dev /dev --proc /proc --bind "$work" "$work" --bind /tmp /tmp --unshare-all)
inside_life own

# What Bivouac needs most cannot be had here.
enter=(bwrap --bind / / --dev /dev --unshare-user --disable-userns)
mkdir "$work/denied"
fails "without user namespaces the job is refused" 109 run_inside denied
like "$(<"$work/denied.err")" "^bivouac: cannot create the job's namespaces.*; allow user namespaces" \
    "with what to do"
finish
