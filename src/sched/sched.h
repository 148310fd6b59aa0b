/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "base/name.h"

/* Batch schedulers: which of them runs us, what it calls the job, and what it plans to do with it. A scheduler is one
 * table of functions in a folder of its own; none of them is needed to build or to run without it. */

struct bv_sched_job {
    char id[BV_JOB_ID_MAX + 1]; /* ours: "slurm-1234" */
    int again;                  /* the scheduler has started this job before, and now starts it again */
};

struct bv_sched {
    const char *name;

    /* Does this scheduler run the calling process? By its environment alone: nothing is asked of a daemon. Returns 1
     * and fills `ret`, 0 if it does not, -1 if it does but the job is one that cannot be run (BV_EBLOCKED, says why) or
     * the environment makes no sense (BV_EUSAGE). */
    int (*detect)(struct bv_sched_job *ret, struct bv_error *err);
};

/* The scheduler that runs the calling process, NULL if none does. `ret_job` is filled if there is one.
 * Errors: those of detect(). */
int bv_sched_detect(const struct bv_sched **ret, struct bv_sched_job *ret_job, struct bv_error *err);
