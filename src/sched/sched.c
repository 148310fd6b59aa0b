/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fork.h"
#include "sched/condor/condor.h"
#include "sched/gridengine/gridengine.h"
#include "sched/lsf/lsf.h"
#include "sched/slurm/slurm.h"

static const struct bv_sched *const schedulers[] = {&bv_sched_slurm, &bv_sched_lsf, &bv_sched_condor,
                                                    &bv_sched_gridengine};

int bv_sched_detect(const struct bv_sched **ret, struct bv_sched_job *ret_job, struct bv_error *err)
{
    for (size_t i = 0; i < sizeof(schedulers) / sizeof(schedulers[0]); i++) {
        struct bv_sched_job job = {0};
        int is = schedulers[i]->detect(&job, err);
        if (is < 0)
            return -1;
        if (is) {
            *ret = schedulers[i];
            *ret_job = job;
            return 0;
        }
    }
    *ret = NULL;
    return 0;
}

const struct bv_sched *bv_sched_of(const char *job_id)
{
    for (size_t i = 0; i < sizeof(schedulers) / sizeof(schedulers[0]); i++)
        if (schedulers[i]->owns && schedulers[i]->owns(job_id))
            return schedulers[i];
    return NULL;
}

int bv_sched_watch(const struct bv_sched *s, int *ret_fd, struct bv_error *err)
{
    int ends[2];
    if (!s->watch) {
        *ret_fd = -1;
        return 0;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket for the scheduler's watcher");
    pid_t pid = bv_fork();
    if (pid == 0) {
        close(ends[0]);
        s->watch(ends[1]);
        _exit(0);
    }
    close_fd(&ends[1]);
    if (pid < 0) {
        close_fd(&ends[0]);
        return bv_fail(err, BV_EINTERNAL, errno, "cannot start the scheduler's watcher");
    }
    *ret_fd = ends[0];
    return 0;
}
