#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A shell pipeline of five processes.
set -euo pipefail
. /src/tests/lib/cycle.sh

# shellcheck disable=SC2016
pipeline='
set -o pipefail
seq 1 40000 |
    awk "{ s = \$1; for (i = 0; i < 1000; i++) s = (s * 31 + i) % 1000003; print \$1, s; fflush() }" |
    sed -u "s/^\([0-9]*\) \(.*\)7\$/\1 \2 seven/" |
    tee numbers.txt |
    awk "{ sum = (sum + \$2) % 1000000007 } NR % 2000 == 0 { print NR, sum; fflush() } END { print \"total\", sum }"
echo "pipeline: ${PIPESTATUS[*]}"
'
cycle_app pipeline -- bash -c "$pipeline"
finish
