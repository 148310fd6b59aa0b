#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A row of bivouac-matrix(1): a script that has children, variables, a pipeline and a here-document.
set -eu

fail()
{
    printf '%s\n' "$*"
    exit 1
}

word=kept
(until test -e go; do sleep 0.01; done; echo from-a-child) | tr '[:lower:]' '[:upper:]' >pipeline &
pipeline=$!
(until test -e go; do sleep 0.01; done; exit 9) &
child=$!
exec 3>log
echo one >&3

echo ready
tries=0
until test -e go; do
    sleep 0.01
    tries=$((tries + 1))
    test "$tries" -lt 6000 || fail "nobody has made the file 'go'"
done

test "$word" = kept || fail "a variable has changed"
wait "$pipeline" || fail "the pipeline has failed"
read -r line <pipeline || fail "the pipeline has written nothing"
test "$line" = FROM-A-CHILD || fail "the pipeline has written '$line'"
status=0
wait "$child" || status=$?
test "$status" -eq 9 || fail "a child has ended with status $status instead of 9"
echo two >&3
test "$(cat log)" = "one
two" || fail "an open file has other lines"
echo ok
