#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# The pool of the tests itself, without Bivouac: ordinary users' jobs on real daemons. And what the other tests would see if
# Bivouac did nothing.
set -euo pipefail
. /src/tests/sched/htcondor/lib/pool.sh

pool_up --plain --cpus 4 --conf 'MachineMaxVacateTime = 33'

submit_until alice lost 7 </dev/null
submit bob who <<END
executable = /bin/sh
transfer_executable = false
arguments = "-c 'id -un; pwd; exit 3'"
END

require wait_event who 005
is "$(ending_of who)" "exit 3" "a job's exit status comes back"
like "$(cat /home/bob/who/out)" "^bob"$'\n'"$execute/dir_[0-9]+$" "it ran as its user, in a sandbox"
like "$(condor_config_val -dump MachineMaxVacateTime)" '= 33' "the pool has the configuration that was asked for"

require wait_tick lost 20
sandbox=$(sandbox_of lost)
condor vacate_job lost
require wait_event lost 004
require wait_event lost 001 2
gate lost end
require wait_event lost 005
is "$(ending_of lost)" "exit 7" "a vacated job is run again"
isnt "$(sandbox_of lost)" "$sandbox" "in another sandbox"
is "$(starts_of lost)" 2 "from its beginning: what it had done is lost"
pool_is_empty
require /src/testbed/condor down
is "$(pgrep -f '^condor_')" "" "the pool can be stopped"
finish
