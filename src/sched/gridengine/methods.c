/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/gridengine/methods.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "job/client.h"
#include "job/runtime.h"
#include "proc/host.h"
#include "sched/number.h"
#include "sched/supervised.h"
#include "store/leftover.h"

#define ASK_TIMEOUT  30   /* s until a supervisor has heard us */
#define MIGR_TIMEOUT 3600 /* s for a checkpoint */
#define END_TIMEOUT  60   /* s for a supervisor to be gone, when its job is saved, or was killed */

int bv_gridengine_args_parse(int argc, char *const *argv, struct bv_gridengine_args *ret, struct bv_error *err)
{
    unsigned long long pid;
    struct bv_gridengine_args a = {0};
    if (argc != 3)
        return bv_fail(err, BV_EUSAGE, 0, "exactly three arguments are needed: $job_pid $job_id $ja_task_id");
    if (bv_sched_number(argv[0], INT_MAX, &pid) < 0 || pid < 2)
        return bv_fail(err, BV_EUSAGE, 0, "'%.40s' is no process", argv[0]);
    if (bv_gridengine_id_parse(argv[1], argv[2], &a.id, err) < 0)
        return -1;
    a.pid = (pid_t)pid;
    *ret = a;
    return 0;
}

void bv_gridengine_close(struct bv_gridengine_job_of *j)
{
    bv_job_close(&j->job);
    bv_store_close(&j->store);
}

int bv_gridengine_open(const struct bv_gridengine_args *a, const struct bv_settings *settings,
                       struct bv_gridengine_job_of *ret, struct bv_error *err)
{
    char name[BV_JOB_ID_MAX + 1];
    struct bv_gridengine_id here;
    autofree char *store = NULL;
    int is = bv_gridengine_job(&here, err);
    if (is < 0)
        return -1;
    if (is && (here.job != a->id.job || here.task != a->id.task))
        return bv_fail(err, BV_EUSAGE, 0, "the arguments name job %llu.%u, and the environment %llu.%u", a->id.job,
                       a->id.task, here.job, here.task);
    bv_gridengine_name(a->id, name);
    if (bv_gridengine_store(settings, &store, err) < 0 || bv_store_open(store, 0, &ret->store, err) < 0)
        return -1;
    return bv_job_open(&ret->store, name, &ret->job, err);
}

int bv_gridengine_ckpt(const struct bv_gridengine_job_of *j, const struct bv_gridengine_args *a, struct bv_error *err)
{
    struct bv_attempt_info attempt = {0};
    autojson json_t *answer = NULL;
    autojson json_t *request = json_pack("{s:s, s:b, s:s}", "op", "checkpoint", "wait", 0, "reason", "period");
    struct bv_client_call_options how = {.timeout = ASK_TIMEOUT};
    int rc = bv_supervised_find(&j->job, a->pid, &attempt, err);
    if (rc == 0)
        rc = bv_client_call(j->job.id, &attempt, request, &how, &answer, err);
    bv_attempt_info_free(&attempt);
    return rc;
}

static int wait_for_end(const struct bv_attempt_info *attempt, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(END_TIMEOUT);
    while (bv_process_is(attempt->pid, attempt->start_time)) {
        if (bv_deadline_passed(deadline))
            return bv_fail(err, BV_ETIMEOUT, 0, "the supervisor (pid %d) does not end", (int)attempt->pid);
        usleep(20000);
    }
    return 0;
}

/* Where the supervisor is only a part of the script, the rest of that must not be run: it is ended, too. */
static int save_and_end(const struct bv_gridengine_job_of *j, const struct bv_gridengine_args *a,
                        const struct bv_attempt_info *attempt, struct bv_error *err)
{
    autojson json_t *answer = NULL;
    autojson json_t *request = json_pack("{s:s, s:s, s:i, s:s, s:b}", "op", "checkpoint", "leave", "dead", "timeout",
                                         MIGR_TIMEOUT, "reason", "suspend", "tell", 1);
    if (attempt->pid != a->pid)
        bv_json_set(request, "group", json_integer(a->pid));
    if (bv_supervised_checkpoint(&j->job, attempt, request, MIGR_TIMEOUT, &answer, err) < 0)
        return -1;
    return wait_for_end(attempt, err);
}

int bv_gridengine_migr(const struct bv_gridengine_job_of *j, const struct bv_gridengine_args *a, struct bv_error *err)
{
    struct bv_attempt_info attempt = {0};
    int rc = bv_supervised_find(&j->job, a->pid, &attempt, err);
    if (rc == 0)
        rc = save_and_end(j, a, &attempt, err);
    bv_attempt_info_free(&attempt);
    return rc;
}

/* The number of the last attempt when none lives; -1 with `err` untouched if there is nothing to clean: one lives that
 * is not here, since the job runs again already, or there was none. */
static int wait_for_death(const struct bv_job *job, int *ret_number, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(END_TIMEOUT);
    for (;;) {
        struct bv_attempt_info last = {0};
        int got = bv_attempt_last(job, &last, err);
        if (got < 0)
            return -1;
        int alive = got && last.alive, here = last.here;
        if (got && !alive)
            bv_runtime_forget(last.socket_path);
        bv_attempt_info_free(&last);
        *ret_number = got && !alive ? (int)last.number : -1;
        if (!alive || !here)
            return 0;
        if (bv_deadline_passed(deadline))
            return bv_fail(err, BV_ETIMEOUT, 0, "job %s still runs", job->id);
        usleep(100000);
    }
}

/* Has no other attempt been claimed since? */
static int is_last(const struct bv_job *job, int number)
{
    struct bv_attempt_info last = {0};
    int got = bv_attempt_last(job, &last, NULL);
    if (got > 0)
        bv_attempt_info_free(&last);
    return got > 0 && (int)last.number == number;
}

int bv_gridengine_clean(const struct bv_gridengine_job_of *j, struct bv_error *err)
{
    struct bv_leftovers left = {0};
    int number, rc = 0;
    if (wait_for_death(&j->job, &number, err) < 0)
        return -1;
    if (number < 0)
        return 0;
    if (bv_leftovers_of_job(&j->job, &left, err) < 0)
        return -1;
    /* Grid Engine may have started the job anew elsewhere meanwhile. What was there before that one was claimed is not
     * its own; but for small files, which may be those of its claim. */
    int quiet = is_last(&j->job, number);
    for (size_t i = 0; i < left.count && rc == 0 && quiet; i++)
        if (!strchr(left.list[i].name, '/') && !strstr(left.list[i].name, ".tmp"))
            rc = bv_leftover_remove(&j->store, &j->job, left.list[i].name, err);
    bv_leftovers_free(&left);
    return rc;
}
