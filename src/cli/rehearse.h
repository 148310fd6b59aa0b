/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>

#include "base/clock.h"
#include "job/scratch.h"
#include "job/supervisor.h"

/* A rehearsal: the command of a user runs as the job of a store of its own, on a copy of its directory, which it sees
 * under the directory's own name, and can write to nothing else of the host. Shared between cmd_rehearse.c and
 * rehearse*.c.
 *
 *     SCRATCH/store             the store, of the run that is going on
 *     SCRATCH/work              the copy of the directory that this run sees
 *     SCRATCH/io/stdout,stderr  where it writes
 *     SCRATCH/NAME, NAME.io     the same of a run that is over */

#define REHEARSE_JOB        "rehearsal"
#define REHEARSE_CYCLES_MAX 1000

struct rehearse_options {
    int cycles;
    double timeout; /* s, for everything */
    char *dir;      /* absolute: what is copied */
    char *scratch;  /* where the scratch directory is made */
    uint64_t limit; /* bytes of a copy */
    char **ignore;  /* globs of files that may differ, NULL-terminated, or NULL */
    int keep, json, tell;
    struct bv_settings settings;
    struct bv_spec spec; /* what the job is; its binds are the rehearsal's */
};

/* One interruption. */
struct rehearse_cycle {
    double at;      /* s since the attempt began */
    int crash;      /* its supervisor was killed some time after the checkpoint */
    json_t *result; /* of the checkpoint */
};

struct rehearse_run {
    struct bv_outcome outcome;
    double seconds;
    struct rehearse_cycle *cycle;
    int cycles; /* that were made before the command ended */
};

struct rehearsal {
    const struct rehearse_options *options;
    struct bv_scratch scratch;
    struct bv_settings settings; /* these two borrow from the options */
    struct bv_spec spec;
    struct bv_bind binds[2];
    char *store;
    struct bv_deadline deadline;
    sigset_t mask;   /* as it was before we blocked what would end us */
    int interrupted; /* number of the signal that asks for the end, 0 = none */
};

/* --- rehearse_run.c --- */

/* An attempt: bivouac run in a process of its own. */
struct rehearse_attempt {
    pid_t pid;
    int report; /* where its outcome will come from */
};

/* Sleep for a moment; -1 when the rehearsal is over: BV_EINTERNAL (a signal), BV_ETIMEOUT. */
int rehearse_nap(struct rehearsal *r, struct bv_error *err);

int rehearse_start(struct rehearsal *r, struct rehearse_attempt *ret, struct bv_error *err);
/* 1 = it has ended and `ret` or, where Bivouac could not run the job, `failure` says how. */
int rehearse_ended(struct rehearse_attempt *a, struct bv_outcome *ret, struct bv_error *failure);
/* Kill it, and wait until all that it had started is gone; one that has ended is only forgotten. */
void rehearse_crash(struct rehearse_attempt *a);
/* Ask its supervisor for a checkpoint; the answer, a new reference. *ret is NULL when the job had ended before.
 * Errors: what the supervisor says. */
int rehearse_checkpoint(struct rehearsal *r, struct rehearse_attempt *a, int kill_it, json_t **ret,
                        struct bv_error *err);

/* --- rehearse_cycles.c --- */

/* Make SCRATCH/NAME, a copy of the directory. */
int rehearse_copy(struct rehearsal *r, const char *name, struct bv_error *err);

/* Run the command in the copy `name`, undisturbed. */
int rehearse_undisturbed(struct rehearsal *r, const char *name, struct rehearse_run *ret, struct bv_error *err);
/* ... or with interruptions within the time that an undisturbed run takes. One that hangs is an error: BV_EDIFFERS. */
int rehearse_disturbed(struct rehearsal *r, const char *name, double duration, struct rehearse_run *ret,
                       struct bv_error *err);
void rehearse_run_free(struct rehearse_run *run);

/* --- rehearse_judge.c --- */

struct rehearse_verdict {
    enum bv_code code; /* 0 = safe */
    char *text;        /* one sentence, allocated */
    struct rehearse_run undisturbed, disturbed;
    json_t *differences; /* sentences about files, between the undisturbed run and the other */
    json_t *unsteady;    /* ... between two undisturbed runs */
    uint64_t more;       /* differences that are not listed */
};
void rehearse_verdict_free(struct rehearse_verdict *v);

/* Make all runs and judge. An error means that there is no verdict. */
int rehearse_judge(struct rehearsal *r, struct rehearse_verdict *ret, struct bv_error *err);
