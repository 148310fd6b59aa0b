/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "job/retention.h"
#include "store/attempt.h"

/* Carries out what retention.h decides, for the attempt that runs the job: nobody else removes its generations. */

struct bv_retainer {
    struct bv_store *store;
    const struct bv_job *job;
    const struct bv_retention *policy;
    const struct bv_attempt *attempt;
    unsigned in_use; /* the generation that the attempt was restored from or wrote last, 0 = none */
    unsigned damaged_first, damaged_last; /* those that were found bad when the attempt began; 0 = none */
};

/* The job's generations as the decisions want them; *ret is allocated. Errors: BV_ESTORE. */
int bv_retain_list(const struct bv_retainer *r, struct bv_retained **ret, size_t *ret_count, struct bv_error *err);

/* Remove what is one too many, after a commit; what cannot be removed stays until the next one. */
void bv_retain(const struct bv_retainer *r);

/* Remove all but what is guarded, unless keep_on_success: the job has ended with status 0, and that is recorded. */
void bv_retain_success(const struct bv_retainer *r);

/* Before the freeze: would the quotas have room for `expected` more bytes? Nothing is removed. Errors: BV_ENOSPACE, in
 * words that tell which quota and how much. */
int bv_quota_predict(const struct bv_retainer *r, uint64_t expected, struct bv_error *err);

/* Before the commit, when the new generation is complete: have the quotas room for what is there now? Else the oldest
 * generations of this job are removed, if that is enough. Errors: BV_ENOSPACE, BV_EFENCED, BV_ESTORE. */
int bv_quota_enforce(const struct bv_retainer *r, struct bv_error *err);
