#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unix sockets: a listener, pairs, descriptors in flight.
set -euo pipefail
. /src/tests/lib/cycle.sh

cycle_app unixsock -- "$apps/unixsock"
finish
