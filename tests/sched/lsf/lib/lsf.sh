# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests of LSF share: a driver in the place of LSF (lsf.py), with its commands in PATH, or LSF itself; and jobs in it.
#
#   . /src/tests/sched/lsf/lib/lsf.sh
#   job=$(submit -k "$work/ckpt method=bivouac" ./count 100)
#   checkpoint "$job" -k
#   is "$last_checkpoint" succeeded "it is checkpointed"

# shellcheck source=tests/lib/cycle.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../lib/cycle.sh"

# With an LSF or OpenLava, whose commands are in PATH and which has set LSF_ENVDIR, the tests are run by that one, unless
# they need what only the driver can do. It has the queue LIVE_QUEUE (default: ckpt), set up as doc/admin/lsf.md says, and
# the queue LIVE_PLAIN_QUEUE (default: normal) without a job starter; its hosts share the directory LIVE_DIR (default:
# home).
lsf_commands=(bsub bchkpnt brestart bmig bkill bstop bresume bjobs bhist bpeek)
live=
[[ ! ${LSF_ENVDIR:-} ]] || ! command -v "${lsf_commands[@]}" >/dev/null || live=1

use_live()
{
    work=$(TMPDIR=${LIVE_DIR:-$HOME} scratch)
    queues=([normal]=${LIVE_QUEUE:-ckpt} [plain]=${LIVE_PLAIN_QUEUE:-normal})
    # A scheduler takes its time.
    tap_deadline=$((5 * tap_deadline))
    cd "$work" || exit
}

use_driver()
{
    local command

    # Not below /tmp, of which a job may have its own; POST_EXEC runs there.
    work=$(TMPDIR=$HOME scratch)
    cd "$work" || exit
    export LSF_SIM=$work/sim LSF_BINDIR=$work/bin LSF_SERVERDIR=/usr/local/libexec/bivouac/lsf LSF_ENVDIR=$work/conf
    export LSF_SIM_MINUTE=60
    mkdir -p "$LSF_SIM" "$LSF_BINDIR" "$LSF_ENVDIR"
    for command in "${lsf_commands[@]}"; do
        ln -s /src/tests/sched/lsf/lib/lsf.py "$LSF_BINDIR/$command"
    done
    PATH=$LSF_BINDIR:$PATH
    cat >"$LSF_SIM/queues.json" <<'END'
{"normal": {"starter": "bivouac lsf starter"}, "plain": {},
 "orun": {"starter": "bivouac lsf starter", "terminate": "bivouac lsf terminate --interval 1s",
          "post_exec": "/usr/local/bin/bivouac lsf post-exec"}}
END
}

# needs_driver WHAT: for a script that a real LSF cannot run.
needs_driver()
{
    [[ ! $live ]] || skip_all "an LSF is in PATH, but this needs the driver: $1"
}

declare -A queues=()
if [[ $live ]]; then
    use_live
else
    use_driver
fi
ckpt=$work/ckpt
# shellcheck disable=SC2034
checkpoint_log=/dev/null

# count N [STATUS [SECONDS]]: a job that prints "tick 1" to "tick N", and ends with STATUS.
cat >count <<'END'
#!/bin/bash
for ((i = 1; i <= $1; i++)); do
    echo "tick $i"
    sleep "${3:-0.1}"
done
exit "${2:-0}"
END
chmod +x count

# submit [-q QUEUE] [OPTION…] CMD…: prints the id of the job.
submit()
{
    local queue=normal

    if [[ $1 == -q ]]; then
        queue=$2
        shift 2
    fi
    # LSF would send its output by mail.
    [[ ! $live || " $* " == *" -o "* ]] || set -- -o "$work/live.%J" "$@"
    bsub -q "${queues[$queue]:-$queue}" "$@" | sed -n 's/^Job <\([0-9]*\)> is submitted.*/\1/p'
}

# restart [OPTION…] DIR ID: prints the id of the new job.
restart()
{
    brestart "$@" | sed -n 's/^Job <\([0-9]*\)> is submitted.*/\1/p'
}

has_ended()
{
    [[ $(bjobs "$1") =~ DONE|EXIT ]]
}

# What bhist says, with the lines that LSF has wrapped in one piece.
history_of()
{
    bhist -l "$1" | sed -e ':a' -e 'N' -e '$!ba' -e 's/\n \{10,\}//g'
}

# The output so far. When a job has ended, LSF has it no longer, but the file that it has named.
output_of()
{
    bpeek "$1" 2>/dev/null || cat "$ckpt/$1"/*.out 2>/dev/null || cat "$work/live.$1"
}

# ended ID: waits for it, and prints how it ended.
ended()
{
    wait_for -t "$((4 * tap_deadline))" has_ended "$1" || :
    history_of "$1" |
        sed -nE 's/.*: (Done successfully|Exited (by signal|with exit code) [0-9]+(; TERM_[^;]*)?)[.;].*/\1/p' | tail -n 1
}

hist_count()
{
    history_of "$1" | grep -cE "$2" || :
}

hist_has()
{
    (($(hist_count "$1" "$2") >= ${3:-1}))
}

# checkpoint ID [OPTION…]: bchkpnt, and waits for its end. Sets last_checkpoint to what bhist says.
checkpoint()
{
    local id=$1 before

    shift
    before=$(hist_count "$id" 'Checkpoint (succeeded|failed)')
    bchkpnt "$@" -p 0 "$id" >/dev/null || diag "bchkpnt $* $id failed"
    wait_for -t "$((4 * tap_deadline))" hist_has "$id" 'Checkpoint (succeeded|failed)' $((before + 1)) || :
    # shellcheck disable=SC2034
    last_checkpoint=$(history_of "$id" | sed -nE 's/.*Checkpoint (succeeded|failed).*/\1/p' | tail -n 1)
}

# ticked ID N: its output has come to tick N.
ticked()
{
    output_of "$1" 2>/dev/null | grep -qx "tick $2"
}

# reached ID N: a step without which nothing else makes sense.
reached()
{
    wait_for -t "$((4 * tap_deadline))" ticked "$1" "$2"
}

# The supervisor is ready to be asked.
is_up()
{
    bivouac list --store "$1/.bivouac" --json 2>/dev/null | jq -e '.jobs[] | select(.state == "running")' >/dev/null
}

generations()
{
    local dir

    for dir in "$1"/.bivouac/jobs/*/0*; do
        [[ ! -e $dir/manifest ]] || basename "$dir"
    done
}

# whole NAME ID N: every tick is there once.
whole()
{
    is "$(output_of "$2" | grep '^tick ')" "$(seq -f 'tick %g' "$3")" "$1"
}

# The end of every test here.
finish_lsf()
{
    # Elsewhere there are processes of others.
    [[ ! $live ]] || finish
    wait_for no_strangers || {
        not_ok "no process is left"
        strangers | diag
    }
    if ((tap_failed > 0)); then
        tail -n 30 "$LSF_SIM"/jobs/*.hist "$LSF_SIM/driver.err" "$ckpt"/*/bivouac.log 2>/dev/null | diag
        grep -ah '^bivouac: ' "$ckpt"/*/*.out 2>/dev/null | tail -n 20 | diag || :
    fi
    finish
}
