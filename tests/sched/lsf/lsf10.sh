#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What IBM documents for LSF 10 beyond OpenLava: job arrays, an initial period, LSB_USE_MY_JOBFILE, TERM_CHKPNT.
set -euo pipefail
. /src/tests/sched/lsf/lib/lsf.sh
needs_driver "it is about what only LSF 10 has"
export LSF_SIM_MODE=lsf10

# Elements of an array are jobs of their own.
job=$(submit -J "steps[1-2]" -k "$ckpt init=60 method=bivouac" ./count 60 7)
for i in 1 2; do
    require reached "${job}[$i]" 5
    checkpoint "${job}[$i]" -k
    is "$last_checkpoint" succeeded "element $i is checkpointed and killed"
    is "$(ended "${job}[$i]")" "Exited by signal 9; TERM_CHKPNT: job killed after checkpointing" "and LSF says why"
    is "$(ls "$ckpt/${job}[$i]/.bivouac/jobs")" "lsf-${job}[$i]" "it is a job of its own"
done
for i in 1 2; do
    next[i]=$(restart "$ckpt" "${job}[$i]")
    isnt "${next[i]}" "" "element $i is restarted"
done
for i in 1 2; do
    is "$(ended "${next[i]}")" "Exited with exit code 7" "element $i ends by itself"
    whole "every line of element $i is there once" "${next[i]}" 60
done

# A whole job file for the restart.
job=$(LSB_USE_MY_JOBFILE=Y submit -k "$ckpt method=bivouac" <<'END'
#!/bin/bash
./count 60
echo "second line" >>second
exit 3
END
)
require reached "$job" 5
checkpoint "$job" -k
like "$(ended "$job")" "Exited by signal 9" "LSB_USE_MY_JOBFILE: it is killed"
job=$(restart "$ckpt" "$job")
is "$(ended "$job")" "Exited with exit code 3" "LSB_USE_MY_JOBFILE: it ends by itself"
whole "LSB_USE_MY_JOBFILE: every line is there once" "$job" 60
is "$(wc -l <second)" 1 "LSB_USE_MY_JOBFILE: its second line ran once"
finish_lsf
