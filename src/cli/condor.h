/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "job/supervisor.h"
#include "sched/condor/condor.h"

/* "bivouac condor run": a job in HTCondor's sandbox, and the file in which its checkpoints are carried. */

struct cmd_condor {
    struct bv_condor_job job;
    struct bv_condor_head head;
    char id[BV_JOB_ID_MAX + 1];
    char *box;                 /* the sandbox, a real path */
    int boxfd;                 /* -1 = not open */
    char *store;               /* while the job runs here; removed at its end */
    char **options, **command; /* of "bivouac run", NULL-terminated; borrowed */
};

/* How an attempt came to its end. */
struct cmd_condor_end {
    int is_known;    /* else the supervisor was killed */
    int is_failure;  /* `code` and `text` say which */
    int is_vacating; /* HTCondor had told us to go: whatever our status, it will run the job again */
    struct bv_outcome outcome;
    enum bv_code code;
    char text[512];
};

/* Fill the store from the file, and remove it: from here on the store has the only copy here, and the access point has
 * another. Returns 1 if there is a checkpoint, 0 for a job that is to begin, or has ended (c->head.end).
 * Errors: BV_ECORRUPT if no checkpoint in it is good, BV_ESTORE, BV_ENOSPACE. */
int cmd_condor_take(struct cmd_condor *c, struct bv_error *err);

/* Make the file of what the store has, and of c->head; the store is destroyed. A job without a checkpoint gets an empty
 * file. Errors: BV_ENOSPACE, BV_ECORRUPT, BV_ESTORE. */
int cmd_condor_carry(struct cmd_condor *c, struct bv_error *err);

/* The job has ended: the file has done its work, and so has the store. */
void cmd_condor_clean(struct cmd_condor *c);

/* Run one attempt, to its end, in processes of its own: pass signals on, and ask for a checkpoint whenever it is time.
 * All signals are blocked, and stay so. Errors: BV_EINTERNAL. */
int cmd_condor_attempt(struct cmd_condor *c, struct cmd_condor_end *ret, struct bv_error *err);
