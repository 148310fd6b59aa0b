#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# bivouac gridengine install-ckpt; and that jobs without -ckpt do not notice the starter_method.
# shellcheck disable=SC2016 # the job's shell expands
set -euo pipefail
. /src/tests/sched/gridengine/lib/cluster.sh

gridengine_up
starter=/usr/local/libexec/bivouac/gridengine-starter

attribute()
{
    SGE_SINGLE_LINE=1 qconf -sq all.q | awk -v name="$1" '$1 == name { print $2 }'
}

install_ckpt()
{
    bivouac gridengine install-ckpt "$@"
}

# --- what is refused ------------------------------------------------------------------------------

plan=$(install_ckpt --dry-run one.q two.q)
like "$plan" 'interface +application-level' "--dry-run prints the checkpointing environment"
like "$plan" "qconf -mattr queue starter_method $starter two.q" "and the commands for each queue"
fails "--dry-run has added nothing" 1 qconf -sckpt bivouac
fails "a user who is no manager cannot install it" 100 on alice bivouac gridengine install-ckpt
fails "nor can anybody for a queue that there is not" 100 install_ckpt no.q
fails "a relative --ckpt-dir is refused" 2 install_ckpt --ckpt-dir ckpt
fails "without Grid Engine's commands it fails" 127 env PATH=/nowhere /usr/local/bin/bivouac gridengine install-ckpt
qconf -mattr queue starter_method /bin/sh all.q
fails "a queue with another starter_method is refused" 112 install_ckpt
like "$(install_ckpt 2>&1)" 'has the starter_method /bin/sh already: .*--force' "with what to do"
fails "and nothing else was done" 1 qconf -sckpt bivouac
is "$(attribute ckpt_list) $(attribute starter_method)" "NONE /bin/sh" "nor with the queue"

# --- what is done ---------------------------------------------------------------------------------

ok "--force replaces it" install_ckpt --force
is "$(attribute ckpt_list) $(attribute starter_method)" "bivouac $starter" "the queue knows the environment and the starter"
like "$(install_ckpt)" 'is there.*all.q: is ready' "a second time nothing is to be done"
qconf -dattr queue ckpt_list bivouac all.q
qconf -sckpt bivouac | sed 's/^when .*/when x/' >ckpt
qconf -Mckpt ckpt
like "$(install_ckpt)" 'changed.*all.q: changed' "what is missing is put right"
like "$(qconf -sckpt bivouac)" 'when +xsmr' "the environment"
is "$(attribute ckpt_list)" bivouac "and the queue"

# --- jobs without -ckpt ---------------------------------------------------------------------------

script plain <<'END'
echo "shell $(readlink /proc/$$/exe) arguments $# $1 $2 job ${BIVOUAC_JOB:-none} parent $(ps -o comm= -p $PPID)"
echo "tasks $(ps -o comm= -u "$USER" | grep -c bivouac)"
exit 5
END
script first-line <<'END'
#!/usr/bin/python3
import sys
print("python", sys.argv[1:])
sys.exit(6)
END
script deadly <<'END'
kill -SEGV $$
END

posix=$(submit alice posix -S /bin/bash /srv/scripts/plain 'a b' c)
binary=$(submit alice binary -b y /bin/sh -c 'exit 7')
deadly=$(submit alice deadly /srv/scripts/deadly)
ends_with "$posix" 1 5 "a script ends with its status"
is "$(<"$(output alice posix)")" \
    $'shell /usr/bin/bash arguments 2 a b c job none parent sge_shepherd\ntasks 0' \
    "it has its shell, its arguments and its parent, and nothing of Bivouac"
ends_with "$binary" 1 7 "a program of one's own ends with its status"
require wait_for -t "$gridengine_deadline" has_runs "$deadly" 1
is "$(runs "$deadly")" "100 139" "a death by signal is Grid Engine's to tell"
require qconf -mattr queue shell_start_mode unix_behavior all.q
first=$(submit alice first /srv/scripts/first-line x)
ends_with "$first" 1 6 "where the first line says it, another shell runs the script"
is "$(<"$(output alice first)")" "python ['x']" "with its arguments"
ok "no store was made" test ! -e /home/alice/.bivouac

# --- the same with -ckpt --------------------------------------------------------------------------

first=$(submit alice first2 -ckpt bivouac /srv/scripts/first-line x)
binary=$(submit alice binary2 -ckpt bivouac -b y /bin/sh -c 'exit 7')
ends_with "$first" 1 6 "a checkpointed script, too, is run by the shell of its first line"
is "$(<"$(output alice first2)")" "python ['x']" "with its arguments"
ends_with "$binary" 1 7 "and a program of one's own is run"
require qconf -mattr queue shell_start_mode posix_compliant all.q
login=$(submit alice login -ckpt bivouac -S /bin/bash /srv/scripts/plain 'a b' c)
deadly=$(submit alice deadly2 -ckpt bivouac /srv/scripts/deadly)
ends_with "$login" 1 5 "where the queue says it, -S does"
like "$(<"$(output alice login)")" "^shell /usr/bin/bash arguments 2 a b c job sge-$login.1 " "with its arguments"
ends_with "$deadly" 1 139 "a death by signal is told as a status, and the job is not run again"

# --- one directory for all ------------------------------------------------------------------------

install -d -m 1777 /srv/ckpt
ok "a directory for all users is set" install_ckpt --ckpt-dir /srv/ckpt
script tick <<END
exec $apps/ticker 1000 0
END
shared=$(submit bob shared -ckpt bivouac /srv/scripts/tick)
own=$(submit alice own -ckpt bivouac -v BIVOUAC_STORE=/home/alice/mine /srv/scripts/tick)
require wait_for has_tick "$(output bob shared)" 30
require wait_for has_tick "$(output alice own)" 30
require qmod -sj "$shared" "$own"
ends_with "$shared" 2 0 "a job goes on from its checkpoint there"
ok "which is in a directory of the user's own" test -d "/srv/ckpt/bob/jobs/sge-$shared.1"
is "$(stat -c '%U %a' /srv/ckpt/bob)" "bob 700" "for nobody else"
ends_with "$own" 2 0 "and so does one whose owner has named another store"
ok "in that one" test -d "/home/alice/mine/jobs/sge-$own.1"
each_tick_once "$(output bob shared)" 1000 "each line is there once"
each_tick_once "$(output alice own)" 1000 "in both"
finish_cluster
