/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/settings.h"
#include "sched/sched.h"

/* Grid Engine 6.2 and its descendants (Son of Grid Engine, Open Cluster Scheduler).
 *
 * Ids: task 2 of the array job 5 is sge-5.2; a job that is no array has task 1, as Grid Engine itself sees it: sge-5.1.
 *
 * Its interface "application-level" starts commands beside the job, as the job's owner, and starts the job's script
 * again when the job has left a host; doc/admin/gridengine.md. */
extern const struct bv_sched bv_sched_gridengine;

#define BV_GRIDENGINE_CKPT "bivouac" /* the checkpointing environment, "qsub -ckpt bivouac" */

/* Exit statuses of a job that mean something to Grid Engine. */
#define BV_GRIDENGINE_AGAIN 99  /* run it again */
#define BV_GRIDENGINE_HOLD  100 /* hold it, with an error (state Eqw), until somebody clears that */

struct bv_gridengine_id {
    unsigned long long job; /* 1 to 10^15 */
    unsigned task;          /* 1 where there is no array */
};

/* What Grid Engine calls it: `task` may be "undefined" or NULL. Errors: BV_EUSAGE. */
int bv_gridengine_id_parse(const char *job, const char *task, struct bv_gridengine_id *ret, struct bv_error *err);

/* What the job is called in a store. */
void bv_gridengine_name(struct bv_gridengine_id id, char ret[BV_JOB_ID_MAX + 1]);

/* The inverse: 1, or 0 if it is no such name. */
int bv_gridengine_name_parse(const char *name, struct bv_gridengine_id *ret);

/* The job that this process belongs to, by its environment. 1, 0 if it belongs to none, -1 with BV_EUSAGE. */
int bv_gridengine_job(struct bv_gridengine_id *ret, struct bv_error *err);

/* Where the job's checkpoints are: the user's own choice or the site file's (`settings`, loaded), else the directory of
 * the checkpointing environment with one for each user in it, which is made, else the default. Allocated.
 * Errors: BV_ESTORE, BV_EDENIED. */
int bv_gridengine_store(const struct bv_settings *settings, char **ret, struct bv_error *err);
