/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "sched/slurm/slurm.h"

#define SLURM_COMMAND_TIMEOUT 60.0 /* s */

/* The number in the environment's variable `name`: 1 and *ret, 0 if it is not set, -1 if it is no number
 * (BV_EUSAGE). */
int slurm_number(const char *name, unsigned long *ret, struct bv_error *err);

/* As in struct bv_sched. */
void slurm_watch(int fd);
int slurm_owns(const char *job_id);
int slurm_reach(const char *job_id, char ***ret_argv, struct bv_error *err);
int slurm_move(const char *job_id, const char *from, const char *to, double timeout, struct bv_error *err);
int slurm_may_move(const char *job_id, const char *to, struct bv_error *err);

/* State, number and nodes of a job, as squeue has them: of "slurm-1234_7.0.1", of "1234_7". Errors: BV_ENOJOB. */
struct slurm_queued {
    char state[32], number[32], nodes[256];
};
int slurm_ask_queue(const char *job_id, struct slurm_queued *ret, struct bv_error *err);
int slurm_ask_number(const char *job, struct slurm_queued *ret, struct bv_error *err);

/* It has come to an end, and is not in the queue again. */
int slurm_is_over(const char *state);

/* Run a command that changes something. */
int slurm_control(char *const *argv, struct bv_error *err);

/* The constraint with which job `number`, which was on `node`, has to go on. Allocated; NULL if it has it already, or
 * if the site has given that node no features for this. */
int slurm_constraint(const char *number, const char *node, char **ret, struct bv_error *err);
