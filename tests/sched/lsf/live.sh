#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: timeout=900
# The whole way with an LSF or OpenLava that is really there: its commands are in PATH, and the queue named in LIVE_QUEUE
# (default: ckpt) is set up as doc/admin/lsf.md says. The directory LIVE_DIR (default: home) is shared by the hosts.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"

for command in bsub bchkpnt brestart bhist bjobs bkill; do
    command -v "$command" >/dev/null || skip_all "no LSF here: $command is not in PATH"
done
queue=${LIVE_QUEUE:-ckpt}
work=$(mktemp -d "${LIVE_DIR:-$HOME}/live.XXXXXX")
# shellcheck disable=SC2034 # of wait_for: a scheduler takes its time
tap_deadline=$((300 * ${TEST_TIME_FACTOR:-1}))
cd "$work"
# shellcheck disable=SC2016
printf '#!/bin/bash\nfor ((i = 1; i <= $1; i++)); do echo "tick $i"; sleep 0.5; done\nexit "$2"\n' >count
chmod +x count

id_of()
{
    sed -n 's/^Job <\([0-9]*\)> is submitted.*/\1/p'
}

# The spool of the job, whatever it is called.
ticked()
{
    bpeek "$1" 2>/dev/null | grep -qx "tick $2"
}

hist_has()
{
    bhist -l "$1" 2>/dev/null | tr -d '\n' | grep -qE "$2"
}

job=$(bsub -q "$queue" -o "$work/out" -k "$work/ckpt method=bivouac" ./count 120 7 | id_of)
require wait_for ticked "$job" 5
bchkpnt -p 0 "$job"
ok "bchkpnt" wait_for hist_has "$job" "Checkpoint *succeeded"
ok "the job goes on" wait_for ticked "$job" 15
bchkpnt -k -p 0 "$job"
ok "bchkpnt -k ends it by a signal, or as LSF says it" wait_for hist_has "$job" "(by *signal *9|TERM_CHKPNT|exit *code *137)"
old=$job
job=$(brestart "$work/ckpt" "$old" | id_of)
isnt "$job" "" "brestart"
ok "it ends with the status of the job" wait_for hist_has "$job" "exit *code *7"
is "$(grep -h '^tick ' "$work"/out*)" "$(seq -f 'tick %g' 120)" "every line is there once"
finish
