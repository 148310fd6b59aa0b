/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/name.h"
#include "sched/lsf/args.h"
#include "store/store.h"

/* The checkpoint directory of one LSF job, DIR/ID of "bsub -k DIR", and what Bivouac keeps there beside LSF's own
 * files. LSF renames it to DIR/NEW when the job is restarted, and leaves a link under the old name; so nothing in here
 * says its own path. Format: doc/format/lsf.md.
 *
 *     .bivouac/              the store, unless the user has named another
 *     .bivouac-job           which job of which store this is
 *     .bivouac-overrun       how far a job at its run limit has come (overrun.h)
 *     bivouac.log            what the methods and hooks did
 */

#define BV_LSF_POINTER ".bivouac-job"
#define BV_LSF_STORE   ".bivouac"
#define BV_LSF_LOG     "bivouac.log"

struct bv_lsf_place {
    char *path; /* real path */
    int dirfd;
    char *store; /* absolute path of the store; NULL as long as no job is known */
    char job[BV_JOB_ID_MAX + 1];
};
void bv_lsf_place_close(struct bv_lsf_place *p);
#define autoplace __attribute__((cleanup(bv_lsf_place_close)))

/* Which job of LSF this process belongs to, by its environment. Returns 1, 0 if it belongs to none, or -1 with
 * BV_EUSAGE if LSB_JOBID or LSB_JOBINDEX make no sense. */
int bv_lsf_job(struct bv_lsf_id *ret, struct bv_error *err);

/* What the job is called in a store: "lsf-103", "lsf-77[3]". */
void bv_lsf_job_name(struct bv_lsf_id id, char ret[BV_JOB_ID_MAX + 1]);

/* LSB_CHKPNT_DIR as an absolute path; LSF leaves it relative to the directory of the submission if the user wrote it
 * so, while most of what LSF starts has another working directory. *ret is NULL if it is not set. Allocated. Errors:
 * BV_ENODIR if it cannot be found. */
int bv_lsf_checkpoint_dir(char **ret, struct bv_error *err);

/* Open a checkpoint directory, which must belong to the user and to nobody else. Errors: BV_ENODIR, BV_EDENIED. */
int bv_lsf_place_open(const char *path, struct bv_lsf_place *ret, struct bv_error *err);

/* Find out which job it has. Errors: BV_ENOJOB if none was ever started under Bivouac, BV_ECORRUPT. */
int bv_lsf_place_read(struct bv_lsf_place *p, struct bv_error *err);
/* The parser behind it; `store` is NULL for the one in the directory itself, else allocated. Errors: BV_ECORRUPT. */
int bv_lsf_pointer_parse(const char *text, size_t size, char ret_job[BV_JOB_ID_MAX + 1], char **ret_store,
                         struct bv_error *err);

/* Write down which job it has: `store` is an absolute path, or NULL for the store in the directory itself. */
int bv_lsf_place_write(struct bv_lsf_place *p, const char *job, const char *store, struct bv_error *err);

/* The job in its store. */
int bv_lsf_place_job(const struct bv_lsf_place *p, struct bv_store *ret_store, struct bv_job *ret,
                     struct bv_error *err);

/* One line in the log of the directory, with time and program. LSF shows nobody what methods and hooks print. */
void bv_lsf_log(const struct bv_lsf_place *p, const char *who, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
