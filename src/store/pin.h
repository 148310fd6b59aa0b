/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <limits.h>
#include <stdint.h>

#include "store/store.h"

/* What keeps a generation from being removed. Format: doc/format/store.md.
 *
 *     pins/000007          a pin: a user wants it kept, until the pin is taken away
 *     pins/.hold-000007.R  a hold: some process, on whichever host, is reading it
 *
 * A hold counts for BV_HOLD_S after it was taken or renewed last, by the file server's clock: a reader that died keeps
 * nothing for ever. A pin that cannot be read is a pin all the same. */

#define BV_PIN_REASON_MAX 1024
#define BV_HOLD_S         3600

/* Pin generation `number`; `reason` (may be NULL) is at most BV_PIN_REASON_MAX bytes. A pin that it has is replaced.
 * When it returns, nothing removes the generation but bv_generation_delete(). Errors: BV_ENOJOB, BV_EUSAGE,
 * BV_ENOSPACE, BV_ESTORE. */
int bv_pin_set(const struct bv_job *j, unsigned number, const char *reason, struct bv_error *err);

/* Errors: BV_ENOJOB if it is not pinned, BV_ESTORE. */
int bv_pin_remove(const struct bv_job *j, unsigned number, struct bv_error *err);

/* Is it pinned? 1 and the allocated reason ("" without one; `ret_reason` may be NULL), or 0. */
int bv_pin_find(const struct bv_job *j, unsigned number, char **ret_reason);

/* BV_EBUSY if the generation is pinned or held. */
int bv_pin_check(const struct bv_job *j, unsigned number, struct bv_error *err);

/* Is any generation of the job pinned or held? Also 1 where that cannot be told. */
int bv_pin_any(const struct bv_job *j);

struct bv_hold {
    int dirfd; /* of pins/, -1 = nothing is held */
    int64_t renewed_ns;
    char name[NAME_MAX + 1];
};

/* Hold a generation, to be opened only then: it may be gone already. Where the store cannot be written to, nothing is
 * held, and that is no error: a reader on this host keeps what it has open. To be renewed before BV_HOLD_S are over;
 * that may be called as often as one likes. */
void bv_hold_take(const struct bv_job *j, unsigned number, struct bv_hold *ret);
void bv_hold_renew(struct bv_hold *h);
void bv_hold_release(struct bv_hold *h);
#define autohold __attribute__((cleanup(bv_hold_release)))
