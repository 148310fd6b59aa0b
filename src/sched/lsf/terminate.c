/* SPDX-License-Identifier: Apache-2.0 */
/* The hook that LSF calls instead of killing a job. It is called once for a limit; what it begins, a process of its own
 * must watch. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sched/lsf/ask.h"
#include "sched/lsf/end_job.h"
#include "sched/lsf/methods.h"
#include "sched/lsf/overrun.h"
#include "sched/lsf/place.h"
#include "sched/lsf/signals.h"
#include "sched/number.h"

#define WHO     "terminate"
#define TIMEOUT 30 /* s for a command of LSF; a hook that does not return blocks its job's control */

struct hook {
    const struct bv_lsf_terminate_options *options;
    struct bv_lsf_id id;
    struct bv_lsf_place place; /* dirfd -1: the job has none */
    struct bv_lsf_policy policy;
    struct bv_lsf_pids groups, pids;
};

static const char *from_environment(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static unsigned long long flags_of(const char *name)
{
    unsigned long long flags = 0;
    return bv_sched_number(getenv(name), UINT32_MAX, &flags) == 0 ? flags : 0;
}

static int at_run_limit(void)
{
    return (flags_of("LSB_SUSP_REASONS") & BV_LSF_REASON_LIMIT) &&
           (flags_of("LSB_SUSP_SUBREASONS") & BV_LSF_SUBREASON_RUN);
}

static int our_method(const struct hook *h)
{
    const char *method = getenv("LSB_ECHKPNT_METHOD");
    /* It is not in the environment where lsf.conf says it. The directory has a job of ours, or we would not be here. */
    return h->place.dirfd >= 0 && (!method || !*method || strcmp(method, "bivouac") == 0);
}

/* A job that is not ours, or that cannot be found, is ended: nothing here is a reason to let it run on. */
static void find(struct hook *h)
{
    struct bv_error err = {0};
    autofree char *dir = NULL;
    h->place.dirfd = -1;
    bv_lsf_pids_parse(getenv("LSB_JOBPGIDS"), &h->groups);
    bv_lsf_pids_parse(getenv("LSB_JOBPIDS"), &h->pids);
    if (bv_lsf_job(&h->id, &err) <= 0 || bv_lsf_checkpoint_dir(&dir, &err) < 0 || !dir)
        return;
    if (bv_lsf_place_open(dir, &h->place, &err) < 0)
        return;
    if (bv_lsf_place_read(&h->place, &err) < 0 || bv_lsf_policy_read(from_environment, NULL, &h->policy, &err) < 0) {
        bv_lsf_log(&h->place, WHO, "%s", err.text);
        bv_lsf_place_close(&h->place);
    }
}

/* The run limit that the restarted job gets: LSF does not keep it. */
static unsigned ask_run_limit(const struct hook *h, const char *id)
{
    struct bv_error err = {0};
    autofree char *said = NULL;
    const char *const argv[] = {"bjobs", "-l", id, NULL};
    if (bv_lsf_command(argv, TIMEOUT, &said, &err) < 0) {
        bv_lsf_log(&h->place, WHO, "cannot ask for the run limit: %s", err.text);
        return 0;
    }
    return bv_lsf_run_limit(said);
}

static void set_state(const struct hook *h, enum bv_lsf_overrun_state from, enum bv_lsf_overrun_state to)
{
    struct bv_lsf_overrun o;
    struct bv_error err = {0};
    autoclose int lock = bv_lsf_overrun_lock(&h->place, &err);
    if (lock < 0 || bv_lsf_overrun_read(&h->place, h->id, &o, &err) < 0) {
        bv_lsf_log(&h->place, WHO, "%s", err.text);
        return;
    }
    if (o.state != from)
        return;
    o.state = to;
    if (bv_lsf_overrun_write(&h->place, &o, &err) < 0)
        bv_lsf_log(&h->place, WHO, "%s", err.text);
}

static int request(const struct hook *h, struct bv_error *err)
{
    char id[BV_LSF_ID_TEXT];
    autofree char *said = NULL;
    bv_lsf_id_text(h->id, id);
    /* Without a period, -p 0 keeps LSF from asking for the next one at once. */
    const char *const argv[] = {"bchkpnt", "-k", "-p", "0", id, NULL};
    return bv_lsf_command(argv, TIMEOUT, &said, err);
}

/* LSF makes one checkpoint of a job at a time. */
static int is_busy(const struct bv_error *err)
{
    return strstr(err->text, "in progress") != NULL;
}

/* Waits until the job is gone, or saved, or its time is over; then it is ended. With `busy`, the checkpoint is yet to
 * be asked for. */
static void watch(const struct hook *h, int busy)
{
    struct bv_deadline deadline = bv_deadline_in(h->policy.timeout > 0 ? h->policy.timeout : 0.001);
    struct bv_lsf_overrun o = {.state = BV_LSF_STARTED};
    while (bv_lsf_groups_live(&h->groups) && !bv_deadline_passed(deadline)) {
        struct bv_error err = {0};
        if (bv_lsf_overrun_read(&h->place, h->id, &o, NULL) == 0 && o.state == BV_LSF_FAILED)
            break;
        if (busy && request(h, &err) < 0 && !is_busy(&err)) {
            bv_lsf_log(&h->place, WHO, "%s", err.text);
            o.state = BV_LSF_FAILED;
            break;
        }
        busy = busy && err.code;
        usleep(busy ? 1000000 : 200000);
    }
    if (!bv_lsf_groups_live(&h->groups))
        return;
    bv_lsf_log(&h->place, WHO,
               o.state == BV_LSF_FAILED ? "the checkpoint failed: the job is ended"
                                        : "the checkpoint took longer than ORUN_TIMEOUT_SECONDS: the job is ended");
    set_state(h, BV_LSF_STARTED, BV_LSF_FAILED);
    bv_lsf_end_job(&h->groups, &h->pids, h->options->interval);
}

static int start_watch(const struct hook *h, int busy)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid < 0 ? -1 : 0;
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3 && null >= 0; i++)
        dup2(null, i);
    watch(h, busy);
    _exit(0);
}

/* Returns 0 if the checkpoint is under way, or will be when the one that is being made has ended. */
static int begin(const struct hook *h, struct bv_error *err)
{
    struct bv_error e = {0};
    if (request(h, &e) < 0 && !is_busy(&e))
        return bv_fail(err, e.code, 0, "%s", e.text);
    return start_watch(h, e.code != 0) < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot fork") : 0;
}

/* What is to be done, and if it is a checkpoint, that it has been started: both under one lock. */
static int decide(const struct hook *h, unsigned run_limit, enum bv_lsf_action *ret, struct bv_error *err)
{
    struct bv_lsf_situation s = {
        .at_run_limit = at_run_limit(), .our_method = our_method(h), .policy = h->policy, .now = time(NULL)};
    autoclose int lock = bv_lsf_overrun_lock(&h->place, err);
    if (lock < 0 || bv_lsf_overrun_read(&h->place, h->id, &s.overrun, err) < 0)
        return -1;
    enum bv_lsf_action action = bv_lsf_decide(&s);
    if (action == BV_LSF_CHECKPOINT) {
        s.overrun.state = BV_LSF_STARTED;
        s.overrun.at = s.now;
        s.overrun.run_limit = run_limit;
        if (bv_lsf_overrun_write(&h->place, &s.overrun, err) < 0)
            return -1;
    }
    *ret = action;
    return 0;
}

/* Returns 1 if the job is being saved, 0 if it is to be ended. */
static int save(const struct hook *h)
{
    struct bv_error err = {0};
    enum bv_lsf_action action = BV_LSF_END;
    char id[BV_LSF_ID_TEXT];
    if (!our_method(h) || !at_run_limit() || !h->policy.checkpoint)
        return 0;
    bv_lsf_id_text(h->id, id);
    if (decide(h, ask_run_limit(h, id), &action, &err) < 0) {
        bv_lsf_log(&h->place, WHO, "%s", err.text);
        return 0;
    }
    if (action == BV_LSF_END)
        return 0;
    if (action == BV_LSF_WAIT)
        return 1;
    bv_lsf_log(&h->place, WHO, "job %s has reached its run limit: a checkpoint is requested", id);
    if (begin(h, &err) == 0)
        return 1;
    bv_lsf_log(&h->place, WHO, "%s", err.text);
    set_state(h, BV_LSF_STARTED, BV_LSF_FAILED);
    return 0;
}

int bv_lsf_terminate(const struct bv_lsf_terminate_options *o)
{
    struct hook h = {.options = o};
    bv_lsf_reset_signals();
    find(&h);
    if (h.place.dirfd >= 0 && save(&h)) {
        bv_lsf_place_close(&h.place);
        return o->pending_status;
    }
    if (h.place.dirfd >= 0)
        bv_lsf_log(&h.place, WHO, "the job is ended (LSB_SUSP_REASONS %llu, LSB_SUSP_SUBREASONS %llu)",
                   flags_of("LSB_SUSP_REASONS"), flags_of("LSB_SUSP_SUBREASONS"));
    bv_lsf_end_job(&h.groups, &h.pids, o->interval);
    bv_lsf_place_close(&h.place);
    return 0;
}
