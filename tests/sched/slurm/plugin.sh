#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# sbatch --checkpoint: the plugin's options, what it puts in front of which task, and what not.
# shellcheck disable=SC2016 # the job's shell expands
set -euo pipefail
. /src/tests/sched/slurm/lib/cluster.sh

plugin store=%h/ckpt every=off
cluster_up --nodes 1
home=/home/alice
bob=/home/bob

# --- what is refused, when it is submitted -----------------------------------------------------

script_of alice none <<'END'
#!/bin/bash
echo ran
END

# refused NAME REGEX OPTION…
refused()
{
    local name=$1 words=$2 output status=0

    shift 2
    output=$(on alice sbatch "$@" none 2>&1) || status=$?
    ok "$name" test "$status" -ne 0
    like "$output" "$words" "$name: says why"
}

like "$(on alice sbatch --help)" '--checkpoint=INTERVAL\|auto' "the options are in sbatch's help"
like "$(on alice srun --help)" '--checkpoint-lead=TIME' "and in srun's"
like "$(on alice salloc --help)" '--restart-from=JOB' "and in salloc's"
refused "an interval that is none" "every.*'often'" --checkpoint=often
refused "a directory that is not absolute" 'absolute path' --checkpoint-dir=here
refused "a lead that is none" "lead.*'soon'" --checkpoint-lead=soon
refused "a network that is none" 'host, private or auto' --checkpoint-network=mine
refused "a job that cannot be one" 'job id' --restart-from=a/b
script_of alice bad <<'END'
#!/bin/bash
#SBATCH --checkpoint=often
END
refused "a bad line of the script" "every.*'often'" bad
is "$(squeue -h | wc -l)" 0 "nothing of this was submitted"

# --- jobs ---------------------------------------------------------------------------------------

# A script whose shell reads on while it runs, and whose output must not be truncated.
script_of alice long <<END
#!/bin/bash
#SBATCH --checkpoint
echo "args \$*"
readlink /proc/\$\$/fd/255
env | grep SPANK
$apps/ticker 700 0
echo "and on"
exit 7
END
script_of alice plain <<'END'
#!/bin/bash
tr '\0' ' ' </proc/$PPID/cmdline
echo
env | grep -c BIVOUAC
END
script_of alice steps <<END
#!/bin/bash
#SBATCH --checkpoint-steps --ntasks=2
srun -n2 --output=steps.%t.out --open-mode=append $apps/ticker 700 0
status=\$?
echo "script ended with \$status, \${BIVOUAC_JOB-no job}"
exit \$status
END
script_of alice srun <<END
#!/bin/bash
#SBATCH --checkpoint
srun sh -c 'echo "step: \$BIVOUAC_JOB"; tr "\\0" " " </proc/\$PPID/cmdline'
END
on alice cp long quiet
on bob mkdir ckpt
on bob chmod 700 ckpt
script_of bob long <<END
#!/bin/bash
$apps/ticker 700 7
END

long=$(submit alice --job-name=long long one 'two  three')
plain=$(submit alice --job-name=plain plain)
steps=$(submit alice --job-name=steps steps)
nested=$(submit alice --job-name=nested srun)
other=$(submit bob --checkpoint-dir=$bob/ckpt --job-name=other long)

require wait_for has_tick "$home/long.out" 100
require wait_for has_tick "$bob/other.out" 100
is "$(bv_on alice list --store "$home/ckpt" --json | jq -r '.jobs[] | select(.job == "slurm-'"$long"'") | .state')" running \
    "the job is in the store that the site names"
ok "its script is a copy" cmp "$home/long" "$home/ckpt/jobs/slurm-$long/script"
fails "bob cannot checkpoint alice's job" 102 at n1 bob bivouac checkpoint --store "$home/ckpt" "slurm-$long"
fails "nor alice bob's" 102 at n1 alice bivouac checkpoint --store "$bob/ckpt" "slurm-$other"
ok "alice her own" at n1 alice bivouac checkpoint --store "$home/ckpt" "slurm-$long" --kill
ok "bob his own" at n1 bob bivouac checkpoint --store "$bob/ckpt" "slurm-$other" --kill
for task in 0 1; do
    require wait_for has_tick "$home/steps.$task.out" 100
    ok "task $task of a step is a job" \
        at n1 alice bivouac checkpoint --store "$home/ckpt" "slurm-$steps.0.$task" --kill
done

require wait_end "$plain"
like "$(head -n 1 "$home/plain.out")" "^slurmstepd: \[$plain.batch\]" "a job without --checkpoint has nothing in front of it"
is "$(sed -n 2p "$home/plain.out")" 0 "and nothing of ours in its environment"
require wait_end "$nested"
like "$(cat "$home/nested.out")" "step: slurm-$nested" "a step of a checkpointed script is a part of it"
like "$(tail -n 1 "$home/nested.out")" "^slurmstepd: \[$nested.0\]" "and is not wrapped once more"

require wait_end "$long"
is "$(field "$long" JobState) $(field "$long" ExitCode) $(field "$long" Restarts)" "FAILED 7:0 1" \
    "the script goes on after its requeue, to its own end"
each_tick_once "$home/long.out" 700 "each line of its output is there once, though Slurm opened the file twice"
is "$(grep -v '^t[ei]\|^bivouac: ' "$home/long.out")" "$(printf '%s\n' 'args one two  three' \
    "$home/ckpt/jobs/slurm-$long/script" 'and on')" "it had its arguments, read its copy, and hands nothing of ours on"
require wait_end "$other"
is "$(field "$other" ExitCode)" 7:0 "bob's ends, too"
each_tick_once "$bob/other.out" 700 "with each line once"
require wait_end "$steps"
is "$(field "$steps" JobState) $(field "$steps" Restarts)" "COMPLETED 1" "the job with steps ends"
for task in 0 1; do
    each_tick_once "$home/steps.$task.out" 700 "task $task has each line once"
done
is "$(grep ended "$home/steps.out")" "$(printf 'script ended with %d, no job\n' 85 0)" \
    "its script itself was no job, and was run again"

# --- an earlier job's checkpoint -----------------------------------------------------------------

first=$(submit alice --job-name=first long)
require wait_for has_tick "$home/first.out" 100
ok "a job is checkpointed" at n1 alice bivouac checkpoint --store "$home/ckpt" "slurm-$first"
on alice scancel "$first"
require wait_end "$first"
is "$(field "$first" JobState)" CANCELLED "and cancelled"
second=$(on alice sbatch --parsable --output=first.out --restart-from="slurm-$first@1" none)
require wait_end "$second"
is "$(field "$second" ExitCode)" 7:0 "a new job goes on from it"
each_tick_once "$home/first.out" 700 "and writes what was missing"
unlike "$(cat "$home/first.out")" ran "its own script is not run"
third=$(submit alice --job-name=third --restart-from=slurm-9999 none)
require wait_end "$third"
is "$(field "$third" ExitCode)" 101:0 "from a job that is not there it does not start"
unlike "$(cat "$home/third.out")" ran "nor anything else"

ok "nothing is left of alice's" wait_for no_process_of alice n1
ok "nor of bob's" wait_for no_process_of bob n1
finish_cluster
