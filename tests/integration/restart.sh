#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac restart: which checkpoint, and what is refused.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

export BIVOUAC_KEEP_ON_SUCCESS=yes # ended jobs are gone back to

# restart ID ARGUMENT…: in the background; its job is in the directory ID.
restart()
{
    job_id=$1
    shift
    env --default-signal bivouac restart "$@" </dev/null >>"$work/$job_id.out" 2>>"$work/$job_id.err" &
    job_pid=$!
}

is "$(status_of bv restart any)" 103 "without a store: 103"
ok "restart makes none" test ! -e "$BIVOUAC_STORE"

# A job that counts when it is told to.
cat >counter <<'END'
#!/bin/bash
n=0
echo ready
until test -e go; do
    if test -e "more.$n"; then
        n=$((n + 1))
        echo "count $n"
    fi
    sleep 0.02
done
echo "ends at $n"
END
chmod +x counter
start_job c -- "$work/counter"
require wait_for says c ready
is "$(status_of bv restart none)" 101 "an unknown job: 101"
is "$(status_of bv restart c)" 112 "a job that runs: 112"
like "$(<err)" "process $job_pid" "it says who runs it"
for n in 1 2 3; do
    touch "c/more.$((n - 1))"
    require wait_for says c "count $n"
    ok "checkpoint $n" bv checkpoint c
done
touch c/more.3
require wait_for says c "count 4"
job_crash
is "$(state_of c)" interrupted "a job whose supervisor was killed is interrupted"
is "$(generations_of c)" "2 3" "two generations are there"
is "$(status_of bv restart c@1)" 101 "one that retention has removed: 101"
is "$(status_of bv restart c@9)" 101 "one that never was: 101"
like "$(<err)" 'generation 9 of job c' "it is named"
is "$(tail -n 1 c.out)" "count 4" "a refusal leaves the output as it was"

# An older one. The files that let it count are still there.
rm -f c/more.*
restart c c@2
ok "the older generation is restarted" wait_for is_state c running
finish_job c
is "$job_status" 0 "it ends"
is "$(<c.out)" $'ready\ncount 1\ncount 2\nends at 2' "it went on from where the older one was"
like "$(<c.err)" 'goes on from checkpoint 2' "as it said"

# An ended job.
is "$(status_of bv restart c)" 119 "an ended job: 119"
like "$(<err)" 'bivouac restart c@N' "it says how to go back all the same"
rm c/go
restart c c@3
ok "a generation of an ended job is restarted when it is named" wait_for is_state c running
finish_job c
is "$job_status $(tail -n 1 c.out)" "0 ends at 3" "it went on from there"
is "$(status_of bv restart c)" 119 "then it has ended again"

# A copy.
rm c/go
restart copy c@3 --job copy
ok "--job: a copy of a generation is restarted" wait_for is_state copy running
is "$(state_of c)" ended "the job itself is as it was"
job_id=copy
ok "the copy is checkpointed on its own" bv checkpoint copy --kill
job_wait
is "$job_status" 85 "and ended"
is "$(bv show copy --json | jq -r .record.copy_of)" c@3 "show says what it is a copy of"
is "$(generations_of copy) / $(generations_of c)" "1 / 2 3" "its checkpoint is its own"
restart copy copy
touch c/go
job_wait
is "$job_status" 0 "restarted from that it ends"
is "$(state_of copy)" ended "as a job of its own"
is "$(status_of bv restart c@7 --job copy-2)" 101 "a copy of a generation that is not there: 101"
is "$(status_of bv restart c@2 --job a/b)" 2 "a copy with an impossible id: 2"

# A command is never started from its beginning.
hold young
is "$(status_of bv restart young)" 112 "a job without a checkpoint that runs: 112"
job_crash
is "$(status_of bv restart young)" 118 "without a checkpoint there is nothing to restart from: 118"
like "$(<err)" 'job young has no checkpoint' "it says so"
is "$(grep -c ready young.out)" 1 "nothing was started"
is "$(status_of bv restart young --job young-2)" 118 "nor a copy"
job_start "$work/young" young -- sh -c 'exit 1'
touch young/go
job_wait
is "$job_status" 5 "bivouac run starts it from its beginning, with its own command"
like "$(<young.err)" 'has no checkpoint: it starts from the beginning' "and says that it does"

# The directory of the job.
hold moved
ok "a job is checkpointed and ended" bv checkpoint moved --kill
job_wait
mv moved elsewhere
is "$(status_of bv restart moved)" 111 "its directory is gone: 111"
like "$(<err)" "$work/moved is gone: create it, or name another with --chdir" "it says what to do"
is "$(status_of bv restart moved --chdir "$work/nowhere")" 111 "another that is not there: 111"
touch elsewhere/go
restart moved moved --chdir elsewhere
job_wait
is "$job_status" 5 "with --chdir it goes on in the other one"
ok "nothing was made where it was" test ! -e moved

# Nothing that verifies.
hold broken
ok "a job is checkpointed and ended" bv checkpoint broken --kill
job_wait
pack=$(ls "$BIVOUAC_STORE"/jobs/broken/000001/pack-000001.bvp)
printf 'X' | dd of="$pack" bs=1 seek=$(($(stat -c %s "$pack") / 2)) conv=notrunc status=none
is "$(status_of bv restart broken)" 104 "the only checkpoint is damaged: 104"
like "$(<err)" 'no checkpoint of job broken verifies.*nothing was started' "it says so"
is "$(status_of bv restart broken@1)" 104 "the same when it is named"
is "$(status_of run_job broken -- true)" 104 "bivouac run does not start it anew behind one's back"
touch broken/go
is "$(cd broken && status_of run_job broken --on-bad-checkpoint fresh -- true)" 5 "unless it is told to"
is "$(cd "$work" && tr '\n' ' ' <out)" "ready done " "then from its beginning"
finish_jobs
