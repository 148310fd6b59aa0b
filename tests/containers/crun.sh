#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# A container of crun as a job: from its start to its end, over checkpoints, a crash and restarts.
set -euo pipefail
. /src/tests/lib/container.sh

cd "$(scratch)"
container_host
bundle box
container_life box "crun-$tag" "crun list -q" crun run --bundle "$PWD/box" "crun-$tag"
ok "its file in its own file system was rolled back too" counts_on box/rootfs/var/tmp/inner 20
container_interrupted box "crun-half-$tag" "crun list -q" crun run --bundle "$PWD/box" "crun-$tag"
finish
