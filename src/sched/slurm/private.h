/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "sched/slurm/slurm.h"

/* The number in the environment's variable `name`: 1 and *ret, 0 if it is not set, -1 if it is no number
 * (BV_EUSAGE). */
int slurm_number(const char *name, unsigned long *ret, struct bv_error *err);

/* As in struct bv_sched. */
void slurm_watch(int fd);
int slurm_owns(const char *job_id);
int slurm_reach(const char *job_id, char ***ret_argv, struct bv_error *err);
int slurm_move(const char *job_id, const char *from, const char *to, double timeout, struct bv_error *err);
