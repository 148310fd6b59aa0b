/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/supervise.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "sched/sched.h"

void cmd_attempt_init(struct cmd_attempt *a)
{
    *a = (struct cmd_attempt){.o = {.settings = &a->settings, .advice_fd = -1}};
    bv_settings_init(&a->settings);
}

void cmd_attempt_free(struct cmd_attempt *a)
{
    bv_settings_free(&a->settings);
    free(a->chdir_path);
}

void cmd_add_attempt(struct cmd_option *list, unsigned who, struct cmd_attempt *a)
{
    const struct cmd_option others[] = {
        CMD_CONFIG(&a->job_file),
        {0, "chdir", "DIR", "continue in DIR: the job sees it where its own directory was", .take = cmd_take_path,
         .to = &a->chdir_path},
        {0, "accept-changed", NULL, "continue although a file that is too large to copy has changed",
         .to = &a->o.accept_changed},
        {0, "takeover", NULL, "the earlier supervisor is known to be dead: do not wait for its lease",
         .to = &a->o.vouched},
        {0},
    };
    cmd_add_settings(list, who, &a->settings);
    cmd_add_options(list, others);
}

/* Die of the signal that the job died of, so that whoever waits for us sees no difference; without a core dump, which
 * would be ours and not the job's. */
int cmd_die_of(int number)
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

int cmd_attempt_fail(const struct cmd_attempt *a, const struct bv_error *err)
{
    int status = cmd_fail(err, 0);
    int command = status == BV_ENOCMD || status == BV_ENOEXEC;
    return a->hold_exit && !command && status != BV_EFENCED ? a->hold_exit : status;
}

/* The scheduler's own status, unless somebody has said another one. */
static int requeue_status(const struct cmd_attempt *a, const struct bv_sched *scheduler)
{
    const struct bv_setting *setting = bv_setting_find("requeue-exit");
    enum bv_layer layer = a->settings.source[setting - bv_setting_table].layer;
    if (scheduler && scheduler->requeue_exit && layer <= BV_LAYER_DEFAULT)
        return scheduler->requeue_exit;
    return a->settings.requeue_exit ? (int)a->settings.requeue_exit : BV_CHECKPOINTED;
}

int cmd_supervise(const struct cmd_attempt *a)
{
    struct bv_error err = {0};
    struct bv_outcome outcome = {0};
    struct bv_sched_job job;
    const struct bv_sched *scheduler = NULL;
    struct bv_supervise_options o = a->o;
    o.chdir = a->chdir_path;
    if (bv_sched_detect(&scheduler, &job, NULL) == 0 && scheduler)
        name_scheduler(scheduler, &job, &o);
    int rc = bv_supervise(&o, &outcome, &err);
    if (rc < 0)
        return cmd_attempt_fail(a, &err);
    switch (outcome.how) {
    case BV_ENDED_EXIT:
        return outcome.number;
    case BV_ENDED_SIGNAL:
        return a->tell_signal ? 128 + outcome.number : cmd_die_of(outcome.number);
    case BV_ENDED_CHECKPOINTED:
    case BV_ENDED_STOPPED:
        return requeue_status(a, scheduler);
    }
    return BV_EINTERNAL;
}
