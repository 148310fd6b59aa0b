#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: timeout=600
# The scripts where the commands of an LSF are in PATH: they use these, or say why they cannot. The LSF of this test is
# the driver, behind commands that note how they are called.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. /src/tests/lib/tap.sh

tests=/src/tests/sched/lsf
work=$(TMPDIR=$HOME scratch)
export SITE=$work/site
mkdir -p "$SITE"/{bin,driver,conf,state}
for command in bsub bchkpnt brestart bmig bkill bstop bresume bjobs bhist bpeek; do
    ln -s "$tests/lib/lsf.py" "$SITE/driver/$command"
    cat >"$SITE/bin/$command" <<'END'
#!/bin/bash
printf '%s\n' "${0##*/} $*" >>"$SITE/calls"
exec "$SITE/driver/${0##*/}" "$@"
END
    chmod +x "$SITE/bin/$command"
done
echo '{"ckpt": {"starter": "bivouac lsf starter"}, "normal": {}}' >"$SITE/state/queues.json"
export LSF_ENVDIR=$SITE/conf LSF_BINDIR=$SITE/bin LSF_SERVERDIR=/usr/local/libexec/bivouac/lsf LSF_SIM=$SITE/state
export PATH=$SITE/bin:$PATH

for script in restart script; do
    : >"$SITE/calls"
    status=0
    bash "$tests/$script.sh" >"$work/out" 2>&1 </dev/null || status=$?
    is "$status" 0 "$script.sh passes with this LSF"
    ((status == 0)) || diag <"$work/out"
    unlike "$(<"$work/out")" '1\.\.0' "$script.sh: and is not skipped"
    for call in 'bsub -q ckpt .*-k' 'bchkpnt -k' 'brestart /' 'bhist -l' 'bpeek' 'bjobs'; do
        ok "$script.sh: $call is called there" grep -q "^$call" "$SITE/calls"
    done
done
for script in contract failures hooks lsf10 overrun period suspend; do
    : >"$SITE/calls"
    like "$(bash "$tests/$script.sh" 2>&1 </dev/null)" '1\.\.0 # SKIP an LSF is in PATH, but this needs the driver: .' \
        "$script.sh says why it is skipped"
    is "$(<"$SITE/calls")" "" "$script.sh: nothing is asked of this LSF"
done
finish
