#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A row of bivouac-matrix(1): a transaction that is begun before a checkpoint and committed after the restart.
set -eu

fail()
{
    printf '%s\n' "$*"
    exit 1
}

mkfifo questions
sqlite3 data.db <questions >answers 2>&1 &
sqlite=$!
exec 3>questions
cat >&3 <<'END'
CREATE TABLE t (n INTEGER);
INSERT INTO t VALUES (1);
BEGIN IMMEDIATE;
INSERT INTO t VALUES (2);
SELECT 'begun';
END
tries=0
until grep -q begun answers; do
    sleep 0.01
    tries=$((tries + 1))
    test "$tries" -lt 3000 || fail "sqlite3 does not answer: $(tail -n 1 answers)"
done

echo ready
tries=0
until test -e go; do
    sleep 0.01
    tries=$((tries + 1))
    test "$tries" -lt 6000 || fail "nobody has made the file 'go'"
done

if sqlite3 data.db 'INSERT INTO t VALUES (9)' 2>/dev/null; then
    fail "the transaction has lost its lock"
fi
cat >&3 <<'END'
INSERT INTO t VALUES (3);
COMMIT;
END
exec 3>&-
wait "$sqlite" || fail "sqlite3 has failed: $(tail -n 1 answers)"
test "$(sqlite3 data.db 'SELECT group_concat(n) FROM t; PRAGMA integrity_check')" = "1,2,3
ok" || fail "the table has other rows: $(sqlite3 data.db 'SELECT group_concat(n) FROM t')"
echo ok
