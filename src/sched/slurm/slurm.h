/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "sched/sched.h"

/* Slurm 23.11 and newer.
 *
 * Ids: the batch script of job 1234 is slurm-1234, of an array's task slurm-1234_7. A task of a job step is
 * slurm-1234.STEP.TASK: a script that is run again after a requeue starts its steps again in the same order, and each
 * of their tasks finds its own checkpoints. */
extern const struct bv_sched bv_sched_slurm;
