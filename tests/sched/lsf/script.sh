#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Scripts and ways to submit: bsub < script, a relative directory, a death by signal, one's own "bivouac run", another
# store, and jobs that have no checkpoint directory.
set -euo pipefail
. /src/tests/sched/lsf/lib/lsf.sh

# save_and_restart: the job ends by a checkpoint and is restarted. Sets job to the new one.
save_and_restart()
{
    local old=$job dir=${1:-$ckpt} ticks

    checkpoint "$old" -k
    is "$last_checkpoint" succeeded "$name: it is checkpointed and killed"
    is "$(ended "$old")" "Exited by signal 9" "$name: it ends by signal 9"
    ticks=$(output_of "$old" | grep -c '^tick ')
    job=$(restart "$dir" "$old")
    ok "$name: it is restarted" reached "$job" $((ticks + 3))
}

name="bsub < script"
cat >script <<'END'
#!/bin/bash
./count 60 | while read -r line; do echo "$line"; done
echo "second line" >>second
exit "1$LAST"
END
job=$(LAST=4 submit -k "$ckpt method=bivouac" <script)
require reached "$job" 5
save_and_restart
is "$(ended "$job")" "Exited with exit code 14" "$name: its own exit status"
whole "$name: every line is there once" "$job" 60
is "$(wc -l <second)" 1 "$name: its second line ran once"

name="a relative directory"
mkdir sub
job=$(submit -k "sub/rel method=bivouac" ./count 60 7)
require reached "$job" 5
save_and_restart sub/rel
is "$(ended "$job")" "Exited with exit code 7" "$name: exit status"
whole "$name: every line is there once" "$job" 60

name="a death by signal"
job=$(submit -k "$ckpt method=bivouac" sh -c './count 40; kill -TERM $$')
require reached "$job" 5
save_and_restart
is "$(ended "$job")" "Exited with exit code 143" "$name: is told as 128 + 15, and not as success"

name="one's own bivouac run"
job=$(submit -q plain -k "$ckpt method=bivouac" bivouac run -- ./count 60 7)
require reached "$job" 5
save_and_restart
is "$(ended "$job")" "Exited with exit code 7" "$name: exit status"
whole "$name: every line is there once" "$job" 60

name="a script that runs itself under Bivouac"
cat >itself <<'END'
#!/bin/bash
[[ ${BIVOUAC_JOB:-} ]] || exec bivouac run -- "$0"
./count 60
echo "second line" >>second.itself
exit 3
END
job=$(submit -q plain -k "$ckpt method=bivouac" <itself)
require reached "$job" 5
save_and_restart
is "$(ended "$job")" "Exited with exit code 3" "$name: exit status"
whole "$name: every line is there once" "$job" 60
is "$(wc -l <second.itself)" 1 "$name: its second line ran once"

name="another store"
job=$(BIVOUAC_STORE=$work/store submit -k "$ckpt method=bivouac" ./count 60 7)
require reached "$job" 5
first=$job
save_and_restart
is "$(ended "$job")" "Exited with exit code 7" "$name: exit status"
whole "$name: every line is there once" "$job" 60
is "$(ls "$work/store/jobs") $(find "$ckpt/$job" -name jobs)" "lsf-$first " "$name: that one is used, and no other"

name="a line for a shell"
if [[ $live ]]; then
    skip "$name: the queue of an LSF is not ours to change"
else
    sed 's/lsf starter"/lsf starter -c \\"%USRCMD\\""/' -i "$LSF_SIM/queues.json"
    job=$(submit -k "$ckpt method=bivouac" './count 40; ./count 3 5')
    require reached "$job" 5
    save_and_restart
    is "$(ended "$job")" "Exited with exit code 5" "$name: all of it is the job"
    is "$(output_of "$job" | grep -c '^tick ')" 43 "$name: each part ran once"
fi

name="a job without a checkpoint directory"
job=$(submit ./count 3 6)
is "$(ended "$job")" "Exited with exit code 6" "$name: runs as if there were no starter"
ok "$name: and has no store" test ! -e "$HOME/.bivouac"
finish_lsf
