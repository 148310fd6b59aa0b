#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole table, as a user: each row has the outcome that is recorded.
set -euo pipefail
. /src/tests/matrix/lib/table.sh

table_is_as_recorded /src/tests/matrix/expected
finish
