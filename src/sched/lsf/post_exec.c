/* SPDX-License-Identifier: Apache-2.0 */
/* The hook that LSF calls when a job has ended: restarts one that the terminate hook has saved. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "sched/lsf/ask.h"
#include "sched/lsf/methods.h"
#include "sched/lsf/overrun.h"
#include "sched/lsf/place.h"
#include "sched/lsf/signals.h"

#define WHO             "post-exec"
#define COMMAND_TIMEOUT 60 /* s for brestart */
#define PUBLISH_TIMEOUT 60 /* s for LSF to publish what echkpnt has left */
#define WORDS_MAX       64

static const char *from_environment(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

/* echkpnt may still be on its way: the job it has killed has ended before it. Returns 1 if there is something to
 * restart. */
static int wait_for_checkpoint(const struct bv_lsf_place *p, struct bv_lsf_id id, double timeout,
                               struct bv_lsf_overrun *ret, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(timeout > 0 ? timeout : 1);
    for (;;) {
        if (bv_lsf_overrun_read(p, id, ret, err) < 0)
            return -1;
        if (ret->state != BV_LSF_STARTED)
            return ret->state == BV_LSF_CHECKPOINTED;
        if (bv_deadline_passed(deadline))
            return bv_fail(err, BV_ETIMEOUT, 0, "the checkpoint of the job has not come to an end");
        usleep(200000);
    }
}

/* brestart reads the file chklog, which LSF writes when echkpnt has ended. */
static int wait_for_publication(const struct bv_lsf_place *p, int64_t since, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(PUBLISH_TIMEOUT);
    autofree char *unpublished = bv_asprintf("%s.tmp", p->path);
    for (;;) {
        struct stat st, tmp;
        if (fstatat(p->dirfd, "chklog", &st, 0) == 0 && st.st_mtime >= since && stat(unpublished, &tmp) < 0)
            return 0;
        if (bv_deadline_passed(deadline))
            return bv_fail(err, BV_ETIMEOUT, 0, "LSF has not published the checkpoint (%s/chklog)", p->path);
        usleep(200000);
    }
}

/* brestart -W LIMIT [what the user wants] DIR ID. LSF keeps neither the run limit nor others for a restarted job. */
static int restart(const struct bv_lsf_place *p, const struct bv_lsf_overrun *o, unsigned long long *ret,
                   struct bv_error *err)
{
    const char *argv[WORDS_MAX + 8];
    char limit[16], id[BV_LSF_ID_TEXT], *save = NULL;
    const char *wanted = getenv("ORUN_RESTART_OPTIONS");
    autofree char *words = bv_strdup(wanted ? wanted : ""), *base = bv_strdup(p->path), *said = NULL;
    size_t n = 0;
    *strrchr(base, '/') = '\0';
    bv_lsf_id_text(o->id, id);
    argv[n++] = "brestart";
    if (o->run_limit) {
        snprintf(limit, sizeof(limit), "%u", o->run_limit);
        argv[n++] = "-W";
        argv[n++] = limit;
    }
    for (char *w = strtok_r(words, " \t\n", &save); w && n < WORDS_MAX; w = strtok_r(NULL, " \t\n", &save))
        argv[n++] = w;
    argv[n++] = base;
    argv[n++] = id;
    argv[n] = NULL;
    if (bv_lsf_command(argv, COMMAND_TIMEOUT, &said, err) < 0)
        return -1;
    *ret = bv_lsf_submitted(said);
    return 0;
}

/* From CHECKPOINTED to RESTARTING, by exactly one process. Returns 1 if it is this one. */
static int take(const struct bv_lsf_place *p, struct bv_lsf_overrun *o, struct bv_error *err)
{
    autoclose int lock = bv_lsf_overrun_lock(p, err);
    if (lock < 0 || bv_lsf_overrun_read(p, o->id, o, err) < 0)
        return -1;
    if (o->state != BV_LSF_CHECKPOINTED)
        return 0;
    o->state = BV_LSF_RESTARTING;
    return bv_lsf_overrun_write(p, o, err) < 0 ? -1 : 1;
}

/* From RESTARTING to what has come of it. */
static int conclude(const struct bv_lsf_place *p, struct bv_lsf_overrun *o, enum bv_lsf_overrun_state state,
                    struct bv_error *err)
{
    struct bv_lsf_overrun now;
    autoclose int lock = bv_lsf_overrun_lock(p, err);
    if (lock < 0 || bv_lsf_overrun_read(p, o->id, &now, err) < 0)
        return -1;
    if (now.state != BV_LSF_RESTARTING)
        return 0; /* the next run is quick */
    o->state = state;
    return bv_lsf_overrun_write(p, o, err);
}

/* The job is saved and nobody restarts it: whoever reads the log can. */
static int give_up(const struct bv_lsf_place *p, struct bv_lsf_overrun *o, const struct bv_error *why,
                   struct bv_error *err)
{
    struct bv_error e = {0};
    char id[BV_LSF_ID_TEXT];
    bv_lsf_id_text(o->id, id);
    if (conclude(p, o, BV_LSF_FAILED, &e) < 0)
        bv_lsf_log(p, WHO, "%s", e.text);
    return bv_fail(err, why->code, 0, "%.512s; the checkpoint is good: 'brestart %.*s %s' goes on from it", why->text,
                   (int)(strrchr(p->path, '/') - p->path), p->path, id);
}

static int go_on(const struct bv_lsf_place *p, struct bv_lsf_id id, struct bv_error *err)
{
    struct bv_lsf_policy policy;
    struct bv_lsf_overrun o;
    struct bv_error e = {0};
    unsigned long long next = 0;
    if (bv_lsf_policy_read(from_environment, NULL, &policy, err) < 0)
        return -1;
    if (!policy.restart)
        return 0;
    int got = wait_for_checkpoint(p, id, policy.timeout, &o, err);
    if (got <= 0)
        return got;
    if (o.restarts >= policy.limit)
        return bv_fail(err, BV_EENDED, 0, "the job was restarted %u times, which is ORUN_RESTART_LIMIT", o.restarts);
    if (wait_for_publication(p, o.at, err) < 0)
        return -1;
    got = take(p, &o, err);
    if (got <= 0)
        return got;
    bv_fault_point("lsf-post-exec-taken");
    if (restart(p, &o, &next, &e) < 0)
        return give_up(p, &o, &e, err);
    /* The directory has its new name now, or will have it soon: the descriptor does not mind. */
    o.next = next;
    if (conclude(p, &o, BV_LSF_RESTARTED, err) < 0)
        return -1;
    bv_lsf_log(p, WHO, "job %llu goes on as job %llu, restart %u of %u", o.id.job, next, o.restarts + 1, policy.limit);
    return 0;
}

int bv_lsf_post_exec(void)
{
    struct bv_error err = {0};
    struct bv_lsf_id id;
    autoplace struct bv_lsf_place p = {.dirfd = -1};
    autofree char *dir = NULL;
    bv_lsf_reset_signals();
    if (bv_lsf_job(&id, &err) <= 0 || bv_lsf_checkpoint_dir(&dir, &err) < 0 || !dir ||
        bv_lsf_place_open(dir, &p, &err) < 0 || bv_lsf_place_read(&p, &err) < 0)
        return 0; /* no job of ours, and nowhere to say so */
    if (go_on(&p, id, &err) < 0)
        bv_lsf_log(&p, WHO, "not restarted: %s", err.text);
    return 0;
}
