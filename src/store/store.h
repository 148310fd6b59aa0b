/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/json.h"
#include "base/name.h"

/* The store: a directory tree that holds jobs and their checkpoints, and nothing else that matters.
 *
 *     STORE/format                      "bivouac-store 1\n"
 *     STORE/jobs/J/job.json             immutable record of the job
 *     STORE/jobs/J/events.jsonl         append-only history
 *     STORE/jobs/J/attempts/0003        who runs J now (attempt.h)
 *     STORE/jobs/J/000007/manifest      a committed generation (generation.h); packs and index beside it
 *     STORE/jobs/J/.000008.0003/        the same, not committed yet, of attempt 3
 *     STORE/jobs/J/.staging-0003/       raw images on their way in or out, of attempt 3
 *     STORE/jobs/J/script               the job's own copy of its batch script (script.h)
 *     STORE/jobs/J/kept/0003/           what attempt 3 would have overwritten
 *
 * Directories are 0700, files 0600. Everything is opened relative to directory descriptors and never through a symbolic
 * link below STORE. All bytes read from it are hostile. Format: bivouac-store(5), doc/format/. */

struct bv_store {
    int dirfd;
    int jobsfd;
    char *path; /* absolute, for messages */
};

struct bv_job {
    int dirfd;
    char id[BV_JOB_ID_MAX + 1];
};

/* Open the store at `path`, or with `create` make it if nothing is there. A directory that is not a store and not empty
 * is refused. Errors: BV_ESTORE (missing, other format, not a directory), BV_EDENIED (owned by somebody else than us or
 * root, or writable for others). */
int bv_store_open(const char *path, int create, struct bv_store *ret, struct bv_error *err);
void bv_store_close(struct bv_store *s);
#define autostore __attribute__((cleanup(bv_store_close)))

/* Where the store is when the user names none: $BIVOUAC_STORE, else $HOME/.bivouac. Allocated. Errors: BV_ESTORE. */
int bv_store_default_path(char **ret, struct bv_error *err);

/* Create job `id` with its immutable record. Durable when it returns. Errors: BV_EBUSY if it exists, BV_ENOSPACE … */
int bv_job_create(struct bv_store *s, const char *id, const json_t *record, struct bv_job *ret, struct bv_error *err);

/* Open job `id`. Errors: BV_ENOJOB, BV_EDENIED (another user's), BV_ESTORE. */
int bv_job_open(struct bv_store *s, const char *id, struct bv_job *ret, struct bv_error *err);
void bv_job_close(struct bv_job *j);
#define autojob __attribute__((cleanup(bv_job_close)))

/* The record given at creation; *ret is a new reference. Errors: BV_ECORRUPT, BV_ESTORE. */
int bv_job_record(const struct bv_job *j, json_t **ret, struct bv_error *err);

/* Ids of all jobs, sorted; *ret is an allocated array of `*ret_count` allocated strings. Entries that are no valid job
 * id are left out. */
int bv_job_list(struct bv_store *s, char ***ret, size_t *ret_count, struct bv_error *err);
void bv_job_list_free(char **ids, size_t count);

/* Remove the job and all that it has. The caller has made sure that nothing runs it. Crash-safe: the job is first
 * renamed out of sight (jobs/.deleted-…), which the next call also removes. Errors: BV_ENOJOB, BV_ESTORE. */
int bv_job_delete(struct bv_store *s, const char *id, struct bv_error *err);
