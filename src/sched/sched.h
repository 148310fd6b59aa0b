/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "base/name.h"

/* Batch schedulers: which of them runs us, what it calls the job, and what it plans to do with it. A scheduler is one
 * table of functions in a folder of its own; none of them is needed to build or to run without it. */

struct bv_sched_job {
    char id[BV_JOB_ID_MAX + 1]; /* ours: "slurm-1234" */
    char native[64];            /* its own: "1234" */
    int again;                  /* the scheduler has started this job before, and now starts it again */
};

struct bv_sched {
    const char *name;

    /* With which exit status it runs a job again, where that is not for the site to say; 0 = it is. */
    int requeue_exit;

    /* Does this scheduler run the calling process? By its environment alone: nothing is asked of a daemon. Returns 1
     * and fills `ret`, 0 if it does not, -1 if it does but the job is one that cannot be run (BV_EBLOCKED, says why) or
     * the environment makes no sense (BV_EUSAGE). */
    int (*detect)(struct bv_sched_job *ret, struct bv_error *err);

    /* In a process of its own: tell the supervisor, on the socket `fd`, what the scheduler plans to do with the job, as
     * long as the supervisor lives. What is told are the messages of doc/format/control.md. NULL = there is nothing to
     * tell. Returns when it can tell no more. */
    void (*watch)(int fd);

    /* --- from another host --- */

    /* Is this the id of one of its jobs? By its form alone. */
    int (*owns)(const char *job_id);

    /* The beginning of a command line that runs a program on the host of a running job, as its user. *ret_argv is a
     * NULL-terminated, allocated list of allocated words. NULL = there is no way. Errors: BV_ENOTRUNNING, BV_ENOJOB …
     */
    int (*reach)(const char *job_id, char ***ret_argv, struct bv_error *err);

    /* Before the job is ended: could it go on on host `to`? NULL = it is not known. Errors: BV_EHOST … */
    int (*may_move)(const char *job_id, const char *to, struct bv_error *err);

    /* A job that has just been checkpointed and ended on host `from` is to go on on host `to` (NULL = on any other).
     * Returns when the scheduler knows. NULL = there is no way. Errors: BV_ETIMEOUT … */
    int (*move)(const char *job_id, const char *from, const char *to, double timeout, struct bv_error *err);
};

/* The scheduler that runs the calling process, NULL if none does. `ret_job` is filled if there is one.
 * Errors: those of detect(). */
int bv_sched_detect(const struct bv_sched **ret, struct bv_sched_job *ret_job, struct bv_error *err);

/* The scheduler whose job this is, by the form of its id; NULL if there is none. */
const struct bv_sched *bv_sched_of(const char *job_id);

/* Start the watcher of a scheduler, which lives no longer than the calling process. *ret_fd is the socket on which it
 * tells, -1 if it has none. Errors: BV_EINTERNAL. */
int bv_sched_watch(const struct bv_sched *s, int *ret_fd, struct bv_error *err);
