/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "store/store.h"

/* One checkpoint as one stream of bytes, out of a store and into another: a tar archive that holds all that the
 * generation and its job need. Format: doc/format/export.md. */

/* Called again and again while the work goes on: `doing` is "verifying", "writing" or "reading", `total` is 0 while it
 * is not known. Returns 0, or not to give up. */
struct bv_transfer_watch {
    int (*tell)(void *arg, const char *doing, uint64_t done, uint64_t total);
    void *arg;
};

/* Write generation `number` to `fd`, at its offset; a pipe will do. It is verified before the first byte is written.
 * `watch` may be NULL. Errors: BV_ENOJOB, BV_ECORRUPT, BV_ENOSPACE, BV_EINTERNAL (also when told to give up). */
int bv_export(const struct bv_job *j, unsigned number, int fd, const struct bv_transfer_watch *watch,
              struct bv_error *err);

struct bv_import_result {
    char job[BV_JOB_ID_MAX + 1];
    unsigned generation;
    uint64_t stored_bytes; /* of index and packs */
};

/* Read such a stream from `fd` and make a job of it that has this one generation: the job that it was, or `new_id` (may
 * be NULL). The bytes are hostile. Nothing is seen in the store before all of it is verified and durable. An import of
 * the same job that is under way is ended by this one. Errors: BV_EBUSY if the store has such a job, BV_ECORRUPT,
 * BV_ESTORE (also for a newer format), BV_ENOSPACE, BV_EUSAGE for a bad `new_id`, BV_EINTERNAL. */
int bv_import(struct bv_store *s, int fd, const char *new_id, const struct bv_transfer_watch *watch,
              struct bv_import_result *ret, struct bv_error *err);
