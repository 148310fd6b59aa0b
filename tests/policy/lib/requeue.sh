# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the policy tests share: a scheduler in a few lines, which runs a job again as long as it asks for it, and questions
# about its history.

# shellcheck source=tests/integration/lib/jobs.sh
. /src/tests/integration/lib/jobs.sh

# The job of most of these tests: so many lines, one each 0.1 s, to standard output and to a file, then status 5. It
# computes a little for each, and gives all that is left over from the time to others.
# shellcheck disable=SC2016 # the job expands
count_script='
sum=0
for ((i = 1; i <= $1; i++)); do
    sum=$(((sum * 31 + i) % 1000003))
    echo "line $i $sum"
    echo "$sum" >>sums
    sleep 0.1
done
exit 5'
# shellcheck disable=SC2034
count=(bash -c "$count_script" count)

# count_output LINES: what it writes, uninterrupted.
count_output()
{
    local i sum=0

    for ((i = 1; i <= $1; i++)); do
        sum=$(((sum * 31 + i) % 1000003))
        echo "line $i $sum"
    done
}

# run_again ID [OPTION…] -- CMD…: in the directory ID, as a scheduler does that requeues on the status 85 ($requeue_on).
# Sets again_status, the last status, and again_count, how many attempts there were. Its output is in ID.out, ID.err.
run_again()
{
    local id=$1

    mkdir -p "$work/$id"
    again_count=0
    again_status=$requeue_on
    while ((again_status == requeue_on)); do
        ((again_count < again_most)) || { diag "$id: $again_count attempts, and no end"; break; }
        again_count=$((again_count + 1))
        job_start "$work/$id" "$@"
        wait_for -t "$again_deadline" job_is_over || kill -KILL "$job_pid"
        job_wait
        again_status=$job_status
    done
}
again_most=40
again_deadline=$((4 * tap_deadline))
requeue_on=85

# end_job: the end of a job in the background that has served its purpose.
end_job()
{
    require job_checkpoint --kill
    job_wait
}

# events_of ID FILTER…: jq for each line of the history.
events_of()
{
    jq -rc "${@:2}" "$BIVOUAC_STORE/jobs/$1/events.jsonl"
}

# reasons_of ID: "2 deadline" and so on: how many checkpoints were made for which reason.
reasons_of()
{
    events_of "$1" 'select(.event == "checkpointed").why' | sort | uniq -c | awk '{print $1, $2}'
}

# count_events ID EVENT: prints how many there are.
count_events()
{
    # shellcheck disable=SC2016 # that is jq's variable
    events_of "$1" --arg e "$2" 'select(.event == $e).event' | wc -l
}

events_at_least()
{
    (($(count_events "$1" "$2") >= $3))
}
