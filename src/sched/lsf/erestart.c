/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "sched/lsf/args.h"
#include "sched/lsf/methods.h"
#include "sched/lsf/place.h"
#include "sched/lsf/restart_cmd.h"
#include "sched/lsf/signals.h"
#include "store/attempt.h"
#include "store/generation.h"

#define WHO   "erestart"
#define SLACK 30 /* s */

struct method {
    struct bv_lsf_place place;
    struct bv_store store;
    struct bv_job job;
};

/* An attempt on another host counts as alive until its lease has run out. LSF has not looked whether the job still
 * runs; so somebody must, and if it is only a host that has crashed, waiting shows it. */
static int wait_for_death(const struct method *m, struct bv_error *err)
{
    double left = -1;
    struct bv_deadline deadline = {0};
    for (;;) {
        struct bv_attempt_info a = {0};
        int got = bv_attempt_last(&m->job, &a, err);
        if (got < 0)
            return -1;
        int alive = got > 0 && a.alive, renewed = left >= 0 && a.lease_left > left;
        char host[sizeof(a.host.name)];
        snprintf(host, sizeof(host), "%s", a.host.name);
        int pid = (int)a.pid, here = a.here;
        if (left < 0)
            deadline = bv_deadline_in(a.lease_left + SLACK); /* a file server's clock may stand still */
        left = a.lease_left;
        bv_attempt_info_free(&a);
        if (!alive)
            return 0;
        if (here || renewed || bv_deadline_passed(deadline))
            return bv_fail(err, BV_EBUSY, 0,
                           "job %s is still running on host %s (pid %d): checkpoint it with bchkpnt -k, or kill it",
                           m->job.id, host, pid);
        usleep(500000);
    }
}

/* Is there a checkpoint at all? The restart itself looks at every byte. */
static int check_generations(const struct method *m, unsigned *ret, struct bv_error *err)
{
    autofree unsigned *list = NULL;
    size_t n = 0;
    struct bv_error newest = {0};
    if (bv_generation_list(&m->job, &list, &n, err) < 0)
        return -1;
    for (size_t i = n; i-- > 0;) {
        autogen struct bv_gen *g = NULL;
        struct bv_error e = {0};
        if (bv_gen_open(&m->job, list[i], &g, &e) == 0) {
            *ret = list[i];
            return 0;
        }
        bv_lsf_log(&m->place, WHO, "checkpoint %u of job %s does not verify (%s)", list[i], m->job.id, e.text);
        if (!newest.code)
            newest = e;
    }
    if (n == 0)
        return bv_fail(err, BV_ENOCKPT, 0, "job %s has no checkpoint", m->job.id);
    return bv_fail(err, BV_ECORRUPT, 0, "no checkpoint of job %s verifies (the newest: %s)", m->job.id, newest.text);
}

static int prepare(struct method *m, struct bv_error *err)
{
    unsigned generation = 0;
    if (bv_lsf_place_read(&m->place, err) < 0 || bv_lsf_place_job(&m->place, &m->store, &m->job, err) < 0 ||
        wait_for_death(m, err) < 0 || check_generations(m, &generation, err) < 0 ||
        bv_lsf_restart_cmd_write(&m->place, BV_LSF_RESTART, err) < 0)
        return -1;
    bv_lsf_log(&m->place, WHO, "job %s: to be continued from checkpoint %u", m->job.id, generation);
    return 0;
}

static int work(void *arg)
{
    struct method *m = arg;
    struct bv_error err = {0};
    bv_lsf_reset_signals();
    m->store.dirfd = m->store.jobsfd = m->job.dirfd = -1;
    int rc = prepare(m, &err);
    if (rc < 0)
        bv_lsf_log(&m->place, WHO, "refused: %s", err.text);
    bv_job_close(&m->job);
    bv_store_close(&m->store);
    return rc < 0 ? (int)err.code : 0;
}

/* The directory is that of the job under the working directory, which LSB_CHKPNT_DIR names too. */
static int find_place(int argc, char **argv, struct bv_lsf_place *ret, struct bv_error *err)
{
    struct bv_lsf_erestart_args args;
    char name[BV_LSF_ID_TEXT];
    if (bv_lsf_erestart_parse(argc, argv, &args, err) < 0)
        return -1;
    bv_lsf_id_text(args.id, name);
    struct bv_error e = {0};
    if (bv_lsf_place_open(name, ret, &e) == 0)
        return 0;
    const char *dir = getenv("LSB_CHKPNT_DIR");
    if (e.code == BV_ENODIR && dir && dir[0] == '/')
        return bv_lsf_place_open(dir, ret, err);
    return bv_fail(err, e.code, 0, "%s", e.text);
}

int bv_lsf_erestart(int argc, char **argv)
{
    struct bv_error err = {0};
    struct method m = {.place.dirfd = -1};
    if (find_place(argc, argv, &m.place, &err) < 0)
        return err.code;
    /* From here on, whatever ends us, LSF finds a command that does not run the job from its beginning. */
    int status =
        bv_lsf_restart_cmd_write(&m.place, BV_LSF_REFUSE, &err) < 0 ? (int)err.code : bv_lsf_in_child(work, &m);
    if (status != 0)
        unlinkat(m.place.dirfd, BV_LSF_RESTART_CMD, 0);
    bv_lsf_place_close(&m.place);
    return status;
}
