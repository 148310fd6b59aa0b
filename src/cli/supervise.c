/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/supervise.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "sched/sched.h"

/* Die of the signal that the job died of, so that whoever waits for us sees no difference; without a core dump, which
 * would be ours and not the job's. */
static int die_of(int number)
{
    sigset_t one;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    signal(number, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    raise(number);
    return 128 + number; /* a signal that does not end a process */
}

/* "slurm" and "1234": who a job is told by in its history. */
static void name_scheduler(const struct bv_sched *scheduler, const struct bv_sched_job *job,
                           struct bv_supervise_options *o)
{
    size_t n = strlen(scheduler->name);
    o->scheduler = scheduler->name;
    o->scheduler_job = job->id;
    if (strncmp(job->id, scheduler->name, n) == 0 && job->id[n] == '-')
        o->scheduler_job += n + 1;
}

int cmd_supervise(const struct bv_supervise_options *o)
{
    struct bv_error err = {0};
    struct bv_outcome outcome = {0};
    struct bv_sched_job job;
    const struct bv_sched *scheduler = NULL;
    struct bv_supervise_options all = *o;
    if (bv_sched_detect(&scheduler, &job, NULL) == 0 && scheduler)
        name_scheduler(scheduler, &job, &all);
    if (bv_supervise(&all, &outcome, &err) < 0)
        return cmd_fail(&err, 0);
    switch (outcome.how) {
    case BV_ENDED_EXIT:
        return outcome.number;
    case BV_ENDED_SIGNAL:
        return die_of(outcome.number);
    case BV_ENDED_CHECKPOINTED:
    case BV_ENDED_STOPPED:
        return o->settings->requeue_exit ? (int)o->settings->requeue_exit : BV_CHECKPOINTED;
    }
    return BV_EINTERNAL;
}
