/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "sched/lsf/place.h"

/* A job that has reached its run limit: checkpointed and killed by the terminate hook, restarted by the post-exec hook.
 *
 *     terminate   started ── bchkpnt -k ──► echkpnt   checkpointed ── the job is dead ──► post-exec   restarting
 *                    │                         │                                           brestart ──► restarted
 *                    └── too late ──► failed ◄─┘ failed: the job is ended as if there were no hook
 *
 * It is failed, too, when brestart fails: then the checkpoint is good, and a person must restart the job.
 *
 * The state is one small file in the checkpoint directory, replaced as a whole, and changed under a lock. It is of one
 * run: for the next one only the count of restarts goes on. Format: doc/format/lsf.md. */

enum bv_lsf_overrun_state {
    BV_LSF_NONE, /* nothing was done for this run */
    BV_LSF_STARTED,
    BV_LSF_CHECKPOINTED,
    BV_LSF_FAILED,
    BV_LSF_RESTARTING,
    BV_LSF_RESTARTED,
};

struct bv_lsf_overrun {
    enum bv_lsf_overrun_state state;
    struct bv_lsf_id id;     /* of the run */
    int64_t at;              /* when it was started, s since 1970 */
    unsigned restarts;       /* that were made before this run */
    unsigned run_limit;      /* min, 0 = not known */
    unsigned long long next; /* the job that goes on with it, 0 = none yet */
};

/* What the user wants, in the environment of the job. */
struct bv_lsf_policy {
    int checkpoint; /* ENABLE_ORUN_CHKPNT */
    int restart;    /* ENABLE_ORUN_RESTART */
    unsigned limit; /* ORUN_RESTART_LIMIT, default 2 */
    double timeout; /* ORUN_TIMEOUT_SECONDS, default 180 */
};
/* Errors: BV_EUSAGE for a number that is none. */
int bv_lsf_policy_read(const char *(*get)(void *arg, const char *name), void *arg, struct bv_lsf_policy *ret,
                       struct bv_error *err);

/* Hold the lock of the state until the descriptor is closed. -1 on error: BV_ETIMEOUT, BV_ESTORE. */
int bv_lsf_overrun_lock(const struct bv_lsf_place *p, struct bv_error *err);

/* The state as it concerns run `id`: BV_LSF_NONE, with the count of restarts, if it is of another run.
 * Errors: BV_ECORRUPT, BV_ESTORE. */
int bv_lsf_overrun_read(const struct bv_lsf_place *p, struct bv_lsf_id id, struct bv_lsf_overrun *ret,
                        struct bv_error *err);
int bv_lsf_overrun_write(const struct bv_lsf_place *p, const struct bv_lsf_overrun *o, struct bv_error *err);
/* The parser behind it. */
int bv_lsf_overrun_parse(const char *text, size_t size, struct bv_lsf_overrun *ret, struct bv_error *err);

/* A run of LSF begins, perhaps under the number of one before it (brequeue, bmig): it has its own chance of a
 * checkpoint at its run limit; the count of restarts goes on. Outside of a job of LSF nothing is done. What fails is
 * logged: it is no reason not to run. */
void bv_lsf_overrun_begin(const struct bv_lsf_place *p);

/* For echkpnt: is this state that of the run in which we are (LSB_JOBID)? And how did its checkpoint end? */
int bv_lsf_overrun_is(const struct bv_lsf_place *p, enum bv_lsf_overrun_state state);
void bv_lsf_overrun_checkpointed(const struct bv_lsf_place *p, int ok, const char *text);

/* --- what a hook is to do --- */

/* LSB_SUSP_REASONS and LSB_SUSP_SUBREASONS of a job that is at its run limit. */
#define BV_LSF_REASON_LIMIT  0x20000
#define BV_LSF_SUBREASON_RUN 1

enum bv_lsf_action {
    BV_LSF_END,        /* end the job as LSF would */
    BV_LSF_CHECKPOINT, /* begin a checkpoint */
    BV_LSF_WAIT,       /* one is being made */
};
struct bv_lsf_situation {
    int at_run_limit;
    int our_method; /* LSB_ECHKPNT_METHOD is bivouac, and the job has a checkpoint directory */
    struct bv_lsf_policy policy;
    struct bv_lsf_overrun overrun;
    int64_t now; /* s since 1970 */
};
enum bv_lsf_action bv_lsf_decide(const struct bv_lsf_situation *s);
