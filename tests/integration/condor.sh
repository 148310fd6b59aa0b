#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A job of HTCondor, moved from sandbox to sandbox as a starter does it, but without a pool: what the starter carries is
# _bivouac.ckpt, standard output and error, and nothing else.
# shellcheck disable=SC2016,SC2317
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

spool=$work/spool
wrapper=/usr/local/libexec/bivouac/condor-wrapper
number=0 # of the last sandbox
starter=

# Counts to 40 into its output, and into a file in a directory; waits at 20 to be let go. Ends with status 7.
cat >count <<'END_OF_JOB'
#!/bin/bash
mkdir -p deep/er
exec 3>>deep/er/kept
for ((n = 1; n <= 40; n++)); do
    echo "line $n"
    echo "$n" >&3
    if ((n == 20)); then
        echo at 20 >&2
        until test -e /tmp/go.$UID; do sleep 0.05; done
    fi
done
exit 7
END_OF_JOB
chmod +x count

# ad LINE…: what is in the job's ad beside its name.
ad=()

# open_sandbox: a new one, with a new path, in which are the inputs and what is in the spool.
open_sandbox()
{
    number=$((number + 1))
    box=$work/execute/dir_$((4000 + number * 7))
    mkdir -p "$box" "$spool"
    chmod 700 "$box"
    cp "$work/count" "$box/"
    { [[ ! -e $spool/_bivouac.ckpt ]] || cp "$spool"/* "$box/"; } 2>/dev/null
    touch "$box/_condor_stdout" "$box/_condor_stderr"
    printf '%s\n' 'ClusterId = 12' 'ProcId = 3' 'JobUniverse = 5' 'checkpoint_restart = true' \
        "NumJobStarts = $((number - 1))" "${ad[@]}" >"$box/.job.ad"
    printf '%s\n' 'MachineMaxVacateTime = 60' >"$box/.machine.ad"
}

# start CMD…: the command in the sandbox, as the starter's child.
start()
{
    cd "$box"
    env -u HOME -u BIVOUAC_STORE _CONDOR_SCRATCH_DIR="$box" _CONDOR_JOB_AD="$box/.job.ad" \
        _CONDOR_MACHINE_AD="$box/.machine.ad" _CONDOR_WRAPPER_ERROR_FILE="$work/wrapper.error" "$@" \
        >>_condor_stdout 2>>_condor_stderr </dev/null &
    starter=$!
    cd "$work"
}

start_job_here()
{
    start "$wrapper" "$box/count"
}

# stop: as the starter asks the job to leave; sets status.
stop()
{
    kill -TERM "$starter"
    await
}

await()
{
    status=0
    wait "$starter" || status=$?
}

# carry: what the starter uploads when the job has left. The sandbox is gone behind it.
carry()
{
    cp "$box"/_bivouac.ckpt "$box"/_condor_stdout "$box"/_condor_stderr "$spool/"
    rm -rf "$box"
}

said()
{
    grep -qx "$1" "$box/_condor_$2"
}

until_20()
{
    require wait_for said "at 20" stderr
}

forget()
{
    rm -rf "$spool" "$work/execute" /tmp/go.$UID "$work/wrapper.error"
    ad=()
}

complete_output()
{
    is "$(<"$box/_condor_stdout")" "$(printf 'line %d\n' {1..40})" "$1: each line is there once"
    is "$(cat "$box/deep/er/kept")" "$(seq 40)" "$1: and so it is in the file"
}

# --- from sandbox to sandbox ---
open_sandbox
start_job_here
until_20
stop
is "$status" 85 "a job that is asked to leave: 85"
is "$(stat -c '%a %F' "$box/_bivouac.ckpt")" "600 regular file" "with one file"
ok "which holds one checkpoint" tar tf "$box/_bivouac.ckpt" job/000001/manifest
ok "and the working store holds none" test -z "$(find "$box/.bivouac" -name manifest)"
first=$box
carry
open_sandbox
ok "the next sandbox is elsewhere" test "$box" != "$first"
start_job_here
require wait_for said "bivouac: job condor-12.3 goes on from checkpoint 1" stderr
ok "while it runs there is no file for the starter" test ! -e "$box/_bivouac.ckpt"
stop
is "$status" 85 "it leaves again"
is "$(tar tf "$box/_bivouac.ckpt" | grep -c '/manifest$')" 2 "both checkpoints are carried"
carry
open_sandbox
start_job_here
require wait_for said "bivouac: job condor-12.3 goes on from checkpoint 2" stderr
touch /tmp/go.$UID
await
is "$status" 7 "in the third sandbox it ends with its own status"
complete_output "three sandboxes"
ok "and leaves nothing to carry" test ! -e "$box/_bivouac.ckpt"
forget

# --- on its own ---
ad=('BivouacInterval = 2' 'TransferOutput = "out.dat, _bivouac.ckpt"')
open_sandbox
start_job_here
await
is "$status" 85 "after its interval a job leaves by itself"
start_job_here
require wait_for said "bivouac: job condor-12.3 goes on from checkpoint 1" stderr
touch /tmp/go.$UID
await
is "$status" 7 "run again in the same sandbox it goes on to its end"
complete_output "one sandbox"
ok "where it is an output, the file is there" test -s "$box/_bivouac.ckpt"
start_job_here
await
is "$status" 7 "a job that is run again behind its end says how it was"
complete_output "again"
forget
# --- damage on the way ---
# two_checkpoints: in the spool is a file with two.
two_checkpoints()
{
    open_sandbox
    start_job_here
    until_20
    stop
    carry
    open_sandbox
    start_job_here
    require wait_for said "bivouac: job condor-12.3 goes on from checkpoint 1" stderr
    stop
    carry
}

two_checkpoints
python3 - "$spool/_bivouac.ckpt" <<'END_OF_SCRIPT'
import sys, tarfile
with tarfile.open(sys.argv[1]) as t:
    m = [m for m in t.getmembers() if m.name.endswith("/pack-000002.bvp") and m.isreg()][0]
with open(sys.argv[1], "r+b") as f:
    f.seek(m.offset_data + m.size // 2)
    b = f.read(1)
    f.seek(-1, 1)
    f.write(bytes([b[0] ^ 1]))
END_OF_SCRIPT
open_sandbox
start_job_here
ok "a damaged newest one: the job goes on from the one before, and this is said" \
    wait_for grep -q 'goes on from checkpoint 1: newer ones do not verify' "$box/_condor_stderr"
touch /tmp/go.$UID
await
is "$status" 7 "and ends as ever"
complete_output "damaged"
forget

two_checkpoints
printf 'no checkpoint at all' >"$spool/_bivouac.ckpt"
open_sandbox
start_job_here
await
is "$status" 104 "a file that is no checkpoint: 104"
like "$(<"$box/_condor_stderr")" '_bivouac.ckpt cannot be used' "it says so"
like "$(<"$work/wrapper.error")" '_bivouac.ckpt cannot be used' "to the starter, too"
ok "and nothing was started over" test ! -e "$box/deep"
forget

# --- nothing to leave with ---
open_sandbox
start_job_here
until_20
stop
carry
open_sandbox
start_job_here
require wait_for said "bivouac: job condor-12.3 goes on from checkpoint 1" stderr
mkdir -p "$box/_bivouac.ckpt.new/in-the-way"
kill -TERM "$starter"
ok "a job whose file cannot be made says that it waits for its end" \
    wait_for grep -q 'it waits to be killed' "$box/_condor_stderr"
like "$(<"$box/_condor_stderr")" 'cannot create _bivouac.ckpt' "and why"
ok "which does not come by itself, as if all were well" kill -0 "$starter"
kill -KILL "$starter"
await
is "$status" 137 "it is killed"
rm -rf "$box"
open_sandbox
start_job_here
ok "what the starter had before is what the job goes on from" \
    wait_for said "bivouac: job condor-12.3 goes on from checkpoint 1" stderr
touch /tmp/go.$UID
await
is "$status" 7 "to its end"
complete_output "once more"
forget

ad=('CheckpointNumber = 0')
open_sandbox
start_job_here
await
is "$status" 118 "a job whose checkpoint has not come with it: 118"
like "$(<"$work/wrapper.error")" 'has not come with it; nothing was started' "with the reason"
ok "and nothing was started over" test ! -e "$box/deep"
forget

# --- others ---
ad=('checkpoint_restart = false')
open_sandbox
start "$wrapper" /bin/sh -c 'echo "plain $BIVOUAC_JOB"; exit 3'
await
is "$status" 3 "a job that does not ask for it is left alone"
is "$(<"$box/_condor_stdout")" "plain " "and is no job of Bivouac's"
ad=('WantDocker = true')
open_sandbox
start_job_here
await
is "$status" 115 "the docker universe is refused"
forget
finish_jobs
