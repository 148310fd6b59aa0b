/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/store.h"

/* The job's own copy of its script, STORE/jobs/J/script. A shell reads its script little by little: it keeps the file
 * open, and a restart must find it. A scheduler's copy is gone after the first attempt, or lies on another host. */

#define BV_SCRIPT_MAX (16 << 20) /* bytes; four times what Slurm takes */

/* Its path, whether it is there or not. Allocated. */
char *bv_script_path(const struct bv_store *s, const char *job_id);

/* Make the copy of the file `from`, 0700, unless there is one. Errors: BV_ENOCMD, BV_ENOEXEC, BV_ENOSPACE, BV_ESTORE.
 */
int bv_script_keep(const struct bv_job *j, const char *from, struct bv_error *err);
