#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# The table, as root: each row has the outcome that is recorded.
set -euo pipefail
. /src/tests/matrix/lib/table.sh

# What the kernel keeps for a process is the same for root.
table_is_as_recorded /src/tests/matrix/expected-root process files network mpi container moved cpu
finish
