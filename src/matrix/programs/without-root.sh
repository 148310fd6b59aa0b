#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# without-root.sh COMMAND…: for a row that tells what is refused to everybody but root.
set -eu

if test "$(id -u)" -eq 0; then
    echo "it tells what is refused to everybody but root"
    exit 77
fi
exec "$@"
