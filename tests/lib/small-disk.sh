# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A small file system of alice's own, for a script that is started as root ("# testbed: root") and runs as alice.
#
#   . /src/tests/lib/small-disk.sh
#   small_disk 6m
#   export BIVOUAC_STORE=$small/store

# small_disk SIZE: behind it the script runs as alice, in her home directory.
small_disk()
{
    small=/home/alice/small
    if [[ $(id -u) != 0 ]]; then
        cd || exit
        return
    fi
    # shellcheck source=tests/lib/tap.sh
    . /src/tests/lib/tap.sh
    mkdir "$small"
    mount -t tmpfs -o "size=$1,mode=700,uid=$(id -u alice)" tmpfs "$small"
    as_user alice "$0"
    exit
}
