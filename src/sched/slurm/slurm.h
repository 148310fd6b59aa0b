/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "sched/sched.h"

/* Slurm 23.11 and newer.
 *
 * Ids: the batch script of job 1234 is slurm-1234, of an array's task slurm-1234_7. A task of a job step is
 * slurm-1234.STEP.TASK: a script that is run again after a requeue starts its steps again in the same order, and each
 * of their tasks finds its own checkpoints. */
extern const struct bv_sched bv_sched_slurm;

/* --- placement: features of nodes, as bv_cpu_features() names them. The first three are pure; allocated. --- */

/* "bv-x86_64&bv-aes": a constraint of all the names of ours in a list of features with commas. "" if there is none. */
char *bv_slurm_need(const char *features);

/* A job's own constraint ("" or "(null)" = none) together with `need`, which takes the place of all names of ours that
 * were there. NULL if it has more than names and "&". */
char *bv_slurm_constrain(const char *own, const char *need);

/* The names of `need` that are not among `features`, with "&". */
char *bv_slurm_lacking(const char *features, const char *need);

/* What the controller tells its hook of the job: 1 if it can be placed, 0 if it had several nodes. Errors: BV_EUSAGE.
 */
int bv_slurm_place_check(const char *number, const char *nodes, struct bv_error *err);

/* Wait until job `number`, which has just left `node`, is in the queue again, and constrain it to nodes that have the
 * features of that one. A job that is over is left alone. Errors: BV_EINTERNAL, BV_EUSAGE, BV_ENOJOB. */
int bv_slurm_place_again(const char *number, const char *node, double timeout, struct bv_error *err);
