#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# A container of runc as a job: from its start to its end, over checkpoints, a crash and restarts.
set -euo pipefail
. /src/tests/lib/container.sh

cd "$(scratch)"
container_host
bundle box
container_life box "runc-$tag" "runc list -q" runc run --bundle "$PWD/box" "runc-$tag"
ok "its file in its own file system was rolled back too" counts_on box/rootfs/var/tmp/inner 20
container_interrupted box "runc-half-$tag" "runc list -q" runc run --bundle "$PWD/box" "runc-$tag"
finish
