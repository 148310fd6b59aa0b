/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* The processes of a job, as LSF lists them for its hooks. */
#define BV_LSF_PIDS_MAX 4096
struct bv_lsf_pids {
    pid_t pid[BV_LSF_PIDS_MAX];
    size_t count;
};

/* Numbers above 1, separated by spaces; what is none is left out, and so is what is too much. NULL is empty. */
void bv_lsf_pids_parse(const char *text, struct bv_lsf_pids *ret);

/* Is any process of these groups there? */
int bv_lsf_groups_live(const struct bv_lsf_pids *groups);

/* SIGINT, SIGTERM and SIGKILL to the groups, `interval` s apart as long as one is there, then SIGKILL to the processes.
 * This is what LSF does to a job that has no hook. */
void bv_lsf_end_job(const struct bv_lsf_pids *groups, const struct bv_lsf_pids *pids, double interval);
