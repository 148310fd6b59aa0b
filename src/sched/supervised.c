/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/supervised.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "job/client.h"
#include "proc/tree.h"

#define DEPTH_MAX 1024   /* of the tree of processes */
#define EXTRA     60     /* s beyond the timeout, which the supervisor keeps by itself */
#define AGAIN_US  200000 /* until the next question */

/* Is `pid` in process group `group`, or below the process of this number? */
static int belongs_to(pid_t pid, pid_t group)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bv_task t;
    for (int depth = 0; procfd >= 0 && pid > 1 && depth < DEPTH_MAX; depth++) {
        if (pid == group)
            return 1;
        if (bv_task_read(procfd, pid, &t, NULL) < 0)
            return 0;
        if (t.pgid == group)
            return 1;
        pid = t.ppid;
    }
    return 0;
}

int bv_supervised_find(const struct bv_job *job, pid_t group, struct bv_attempt_info *ret, struct bv_error *err)
{
    int got = bv_attempt_last(job, ret, err);
    if (got < 0)
        return -1;
    if (got == 0 || !ret->alive)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s is not running", job->id);
    if (!ret->here)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s runs on host %s, not here", job->id, ret->host.name);
    if (!belongs_to(ret->pid, group))
        return bv_fail(err, BV_EUSAGE, 0, "the supervisor of job %s (pid %d) is not part of process group %d", job->id,
                       (int)ret->pid, (int)group);
    return 0;
}

int bv_supervised_checkpoint(const struct bv_job *job, const struct bv_attempt_info *a, const json_t *request,
                             double timeout, json_t **ret, struct bv_error *err)
{
    struct bv_client_call_options how = {.timeout = timeout + EXTRA};
    struct bv_deadline deadline = bv_deadline_in(timeout);
    for (;;) {
        struct bv_error e = {0};
        if (bv_client_call(job->id, a, request, &how, ret, &e) == 0)
            return 0;
        /* A periodic one is in the middle: the job is not to lose its last chance by that. */
        if (e.code != BV_EBUSY || bv_deadline_passed(deadline))
            return bv_fail(err, e.code, 0, "%s", e.text);
        usleep(AGAIN_US);
    }
}
