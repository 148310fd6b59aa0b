/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "job/supervisor.h"
#include "sched/condor/condor.h"
#include "store/store.h"

/* What is carried from sandbox to sandbox: one file, always of one name, which is there whole or not at all. */

#define BV_CONDOR_FILE "_bivouac.ckpt"
#define BV_CONDOR_DIR  ".bivouac" /* ours, in the sandbox: HTCondor leaves directories where they are */

/* Is this the name, at the sandbox's top, of something that is the starter's or ours, and not the job's? */
int bv_condor_is_own(const char *name);

/* The same as globs for what is captured, NULL-terminated; static. */
extern const char *const bv_condor_globs[];

/* What the file has brought. */
struct bv_condor_arrival {
    int is_job;   /* the job is in the store, to go on */
    int is_ended; /* it has ended as `end` says, and its files are in the sandbox */
    struct bv_outcome end;
    struct bv_error damage; /* code != 0: a part of it was lost */
};

/* Take the file apart. None, or an empty one, is the first time, and no error. It is gone behind this, whatever is
 * returned: HTCondor has the copy from which it came, and must not get a half for it. Errors: BV_ECORRUPT,
 * BV_ENOSPACE, BV_ESTORE. */
int bv_condor_arrive(const struct bv_condor_job *j, struct bv_store *store, struct bv_condor_arrival *ret,
                     struct bv_error *err);

/* Put the job into the file, out of the store. Errors: BV_ENOSPACE, BV_ESTORE … */
int bv_condor_leave(const struct bv_condor_job *j, struct bv_store *store, struct bv_error *err);

/* Put into the file how the job has ended; with its files, if it may be that this is told in another sandbox. */
int bv_condor_leave_end(const struct bv_condor_job *j, struct bv_outcome end, int with_files, struct bv_error *err);

/* An empty one, where none has ever been needed. */
int bv_condor_leave_nothing(const struct bv_condor_job *j, struct bv_error *err);

/* Bytes that the job's files take in the sandbox, without ours. */
uint64_t bv_condor_sandbox_bytes(const struct bv_condor_job *j);
