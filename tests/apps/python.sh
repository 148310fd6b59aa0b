#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# python3 with threads, an SQLite database in WAL mode and a temporary file without a name.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh

# Databases are compared by what they hold, everything else byte for byte.
compare()
{
    local dir

    for dir in ref job; do
        sqlite3 "$cycle_work/$dir/results.db" .dump >"$cycle_work/$dir/results.sql"
        rm "$cycle_work/$dir/results.db"
    done
    compare_dirs
}

# It creates its table only once: a crash after a checkpoint that came before that must take the
# table away again, and that is what --capture is for.
cycle_app python --run-args "--capture ." --compare compare -- python3 "$data/service.py"
finish
