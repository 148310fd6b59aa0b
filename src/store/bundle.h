/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/store.h"

/* A job as one file that a scheduler carries from host to host: all its generations, packs that they share once, its
 * history, and files beside it. A tar archive. Format: doc/format/bundle.md.
 *
 * Both directions consume what they read as they go, so that a disk that holds the job once is enough: whoever calls
 * has another copy, or nothing to lose. Where the file system cannot punch holes, it takes twice the room. */

/* --- writing --- */

struct bv_bundle; /* that is being written */

/* Begin one in the empty, regular file `fd`, which is borrowed. `head` is an object, copied; it must not have "format".
 */
int bv_bundle_create(int fd, const json_t *head, struct bv_bundle **ret, struct bv_error *err);

/* Add the job, whose attempt has ended. Its packs are empty behind this, whatever is returned: remove the job. */
int bv_bundle_add_job(struct bv_bundle *b, const struct bv_job *j, struct bv_error *err);

/* Add the files, directories and symbolic links in `dirfd`, but what `is_skipped` says of a name at its top. They are
 * not consumed. */
int bv_bundle_add_files(struct bv_bundle *b, int dirfd, int (*is_skipped)(const char *name), struct bv_error *err);

/* Complete it, durably, and free `b`; with `give_up`, only free. Errors of all these: BV_ENOSPACE, BV_ESTORE,
 * BV_ECORRUPT, BV_EINTERNAL. */
int bv_bundle_end(struct bv_bundle *b, int give_up, struct bv_error *err);

/* --- reading --- */

struct bv_bundle_read {
    struct bv_store *store; /* where the job goes, under the id that the head says in "job"; it must not be there */
    int files;              /* directory for the files; they replace what is there */
    const char *job;        /* the id that it has to have */
};

/* Read one from the regular file `fd`, opened for reading and writing; the bytes are hostile. *ret_head is a new
 * reference. What is damaged may be a part: *ret_damage then says what (code BV_ECORRUPT), and there is as much of the
 * job as could be read; each of its generations still has to be verified. Errors: BV_ECORRUPT if nothing could be read,
 * BV_EBUSY, BV_ENOSPACE, BV_ESTORE (also for a newer format). */
int bv_bundle_read(int fd, const struct bv_bundle_read *how, json_t **ret_head, struct bv_error *ret_damage,
                   struct bv_error *err);
