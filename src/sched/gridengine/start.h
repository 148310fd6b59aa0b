/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "sched/gridengine/gridengine.h"

/* What the starter_method of a queue has to know. */

/* How Grid Engine would start the job, if there were no starter_method: what it says about that. NULL = unset. */
struct bv_gridengine_how {
    const char *job;   /* JOB_ID */
    const char *mode;  /* SGE_STARTER_SHELL_START_MODE */
    const char *shell; /* SGE_STARTER_SHELL_PATH */
    const char *login; /* SGE_STARTER_USE_LOGIN_SHELL */
};

/* The words of the command to be run for the words that the starter was given: allocated, NULL-terminated; the words
 * themselves are borrowed. *ret_script is the place of the job's script among them, which is Grid Engine's own copy in
 * the host's spool; -1 where the user has named a program of his own (qsub -b y). */
char **bv_gridengine_command(const struct bv_gridengine_how *how, int argc, char *const *argv, int *ret_script);

enum bv_gridengine_past {
    BV_GRIDENGINE_NEW,     /* it begins; what the store had under this name has been removed, if `why` is set */
    BV_GRIDENGINE_GOES_ON, /* it has been started before */
};

struct bv_gridengine_begin {
    const char *store, *id;
    char *const *words; /* the command */
    int script;         /* which of the words is a script that the job keeps a copy of, -1 = none */
    int restarted;      /* Grid Engine says that it starts the job again */
};

/* Before the job is started: what does the store know of it? Numbers of jobs come again when a cluster is installed
 * anew, so a job whose script or command is another one is never continued. A job that has ended by asking to be run
 * anew, with exit status 99 or 100, begins. *ret_why says why something was removed; static, NULL = nothing was.
 * Returns one of the above, or -1: BV_EBUSY (another job of this name has not ended, or is pinned), BV_EDENIED,
 * BV_ESTORE, BV_ECORRUPT. */
int bv_gridengine_begin(const struct bv_gridengine_begin *b, const char **ret_why, struct bv_error *err);
