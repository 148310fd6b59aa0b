/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "sched/gridengine/gridengine.h"
#include "store/store.h"

/* The commands of the checkpointing environment. Grid Engine starts them as the job's owner, beside the job and with
 * its environment, and says on the command line which job it means. Their exit status is hardly looked at. */

struct bv_gridengine_args {
    pid_t pid; /* the process that Grid Engine takes for the job */
    struct bv_gridengine_id id;
};

/* PID JOB TASK. Errors: BV_EUSAGE. */
int bv_gridengine_args_parse(int argc, char *const *argv, struct bv_gridengine_args *ret, struct bv_error *err);

/* The job as the commands see it. The arguments must be about the job in whose environment we are. */
struct bv_gridengine_job_of {
    struct bv_store store;
    struct bv_job job;
};
int bv_gridengine_open(const struct bv_gridengine_args *a, const struct bv_settings *settings,
                       struct bv_gridengine_job_of *ret, struct bv_error *err);
void bv_gridengine_close(struct bv_gridengine_job_of *j);
#define autogridengine __attribute__((cleanup(bv_gridengine_close)))

/* ckpt_command: have a checkpoint made, and do not wait for it: a suspension that comes while this command runs makes
 * Grid Engine kill the job, and forget it. How it went is said by the supervisor. */
int bv_gridengine_ckpt(const struct bv_gridengine_job_of *j, const struct bv_gridengine_args *a, struct bv_error *err);

/* migr_command: save the job and end it, with the exit status by which it is run again. If that cannot be, the job runs
 * on. Returns when the job's supervisor has ended. */
int bv_gridengine_migr(const struct bv_gridengine_job_of *j, const struct bv_gridengine_args *a, struct bv_error *err);

/* clean_command, at every end of the script that is no migration, be it that the job is to be run again: removes what
 * an attempt that was killed has left half-made. No checkpoint is touched. */
int bv_gridengine_clean(const struct bv_gridengine_job_of *j, struct bv_error *err);
