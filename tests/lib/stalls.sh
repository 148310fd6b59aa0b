# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Two processes of a job that always have bytes under way, which must not be lost between the dump of one end and that
# of the other.
#
#   . /src/tests/lib/cycle.sh
#   . /src/tests/lib/stalls.sh

# stalls DIR NAME ADDRESS OPTION…: a job that talks to itself at this address of its own; each leg ends in the middle of a
# round.
stalls()
{
    local dir=$1/$2 name=$2 leg
    # shellcheck disable=SC2154
    local -a job=("$name" "${@:4}" -- "$apps/stall" 200 "$3")

    mkdir -p "$dir"
    seq -f 'round %g' 0 10 190 >"$dir.ref"
    for leg in 1 2 3; do
        job_start "$dir" "${job[@]}"
        wait_for lines_at_least "$dir.out" "$leg" || break
        random_pause 20
        job_checkpoint --kill || break
        job_wait
    done
    job_start "$dir" "${job[@]}"
    job_wait
    # shellcheck disable=SC2154
    is "$job_status" 0 "$name: it ends with status 0"
    same_file "$dir.out" "$dir.ref" "$name: its output is that of an uninterrupted run"
    is "$(restarts_of "$name")" 3 "$name: it was restarted 3 times"
}
