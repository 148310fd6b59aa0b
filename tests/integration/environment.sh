#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A job sees what a bare run sees: who it is, where, its limits, masks and descriptors; and the same after a restart.
# shellcheck disable=SC2016,SC2317 # the job's shell expands; functions are called by name
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# What a process has from its parent. Blocked signals are not in it: bash changes them itself.
cat >report <<'END'
#!/bin/bash
exec 2>&1
echo "id $(id -un) $(id -gn)"
echo "cwd $(pwd -P) $PWD"
echo "umask $(umask)"
echo "nice $(nice)"
echo "affinity $(taskset -cp $$ | sed 's/.*: //')"
echo "scheduling $(chrt -p $$ | sed 's/^[^:]*: //' | tr '\n' ' ')"
echo "io $(ionice -p $$)"
ulimit -a
ulimit -Ha
grep -E '^(SigIgn|NoNewPrivs|Seccomp|Uid|Gid|CapEff|CapAmb):' /proc/self/status
printf 'oom %s\n' "$(cat /proc/self/oom_score_adj)"
echo "host $(hostname)"
env | grep -vE '^(BIVOUAC_JOB|UCX_VFS_ENABLE|_|SHLVL)=' | sort
END
chmod +x report

# compare NAME [WRAPPER…]: the report as a job and bare, started by the same wrapper.
compare()
{
    local name=$1

    shift
    "$@" ./report >"$name.bare"
    "$@" bivouac run --job "$name" -- ./report >"$name.job"
    ok "$name: the report tells something" grep -q '^id alice' "$name.bare"
    same_file "$name.job" "$name.bare" "$name: a job sees what a bare run sees"
}

with_umask()
{
    umask 027
    "$@"
}

# The soft limits, and one hard one.
with_limits()
{
    ulimit -Sn 200
    ulimit -Hn 300
    ulimit -Ss 4096
    ulimit -St 1000
    "$@"
}

with_ignored()
{
    trap '' HUP USR1 PIPE
    "$@"
}

in_subshell()
{
    ("$@")
}

last_cpu=$(taskset -cp $$ | grep -oE '[0-9]+$')
compare plain env
compare umask in_subshell with_umask
compare limits in_subshell with_limits
compare nice nice -n 7
compare ignored in_subshell with_ignored
compare affinity taskset -c "$last_cpu"
compare batch chrt --batch 0
compare variables env "UMLAUT=$(printf '\xe4')" EMPTY= "LINES_=one
two" 
compare oom choom -n 300 --
ok "the wrappers were at work" diff <(printf '0027\n') <(sed -n 's/^umask //p' umask.job)
is "$(sed -n 's/^nice //p' nice.job)" 7 "also the one for nice"
isnt "$(grep SigIgn ignored.job)" "$(grep SigIgn plain.job)" "and the one for signals"

# A login that has ended does not end the job: nohup.
nohup bivouac run --job nohup -- grep SigIgn /proc/self/status >nohup.job 2>/dev/null </dev/null
is "$((0x$(awk '{ print $2 }' nohup.job) & 1))" 1 "under nohup a job ignores SIGHUP"

# A user namespace shows further groups as nogroup, but the job is in them.
is "$(run_job number -- id -G | wc -w)" "$(id -G | wc -w)" "a job is in as many groups"

# Descriptors.
exec {open_file}<report {open_pipe}< <(:) {open_out}>extra
is "$(run_job descriptors -- sh -c 'cd /proc/self/fd && for i in *; do test -e $i && echo $i; done' 2>/dev/null)" \
    $'0\n1\n2' "no descriptor above 2 leaks into a job"
exec {open_file}<&- {open_pipe}<&- {open_out}>&-

# A session of its own, without the caller's terminal, and not the pids of others.
is "$(run_job session -- bash -c 'echo $(($(ps -o sid= -p $$) == $$))')" 1 "a job leads a session"
like "$(run_job pid -- sh -c 'echo $$')" '^1[0-9]{3}$' "its pids begin at 1000"
is "$(run_job alone -- sh -c 'ps -e -o comm= | grep -cvE "^(bivouac-(init|stop)|sh|ps|grep)$"')" 0 "it sees no process of others"

# The same after a restart.
cat >twice <<'END'
#!/bin/bash
./report >first
echo ready
until test -e go; do sleep 0.05; done
./report >second
END
chmod +x twice
(
    umask 037
    ulimit -Sn 222
    trap '' USR2
    exec bivouac run --job again -- taskset -c "$last_cpu" nice -n 3 ./twice
) >again.out 2>again.err </dev/null &
job_pid=$! job_id=again
require wait_for says again ready
ok "a job with all of these is checkpointed and ended" bv checkpoint again --kill
job_wait
is "$job_status" 85 "it ended by the checkpoint"
job_start "$work" again -- ./twice
touch go
job_wait
is "$job_status" 0 "started by another with other limits, it ends"
ok "its first report is of the caller who ran it" grep -qx 'umask 0037' first
ok "with the CPU that it had bound itself to" grep -qx "affinity $last_cpu" first

same_file second first "after the restart it has what it had"
finish_jobs
