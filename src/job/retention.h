/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "config/settings.h"
#include "store/usage.h"

/* Which generations of a job stay. Decisions only: nothing is read or removed here (retain.h does that). */

struct bv_retention {
    unsigned keep;                               /* generations */
    double keep_for;                             /* s: a younger generation is not removed because it is one too many */
    int keep_on_success;                         /* else all go when the job has ended with status 0 */
    const char *quota_job_name;                  /* as in struct bv_settings */
    uint64_t quota_job, quota_user, quota_store; /* bytes that all of it may take, 0 = any */
};

struct bv_retained {
    unsigned number;
    double age_s;
    int guarded;         /* pinned, or being read */
    int in_use;          /* the running attempt works from it */
    int damaged;         /* known not to verify */
    const char *kept_by; /* a word: "newest", "guarded", "in-use", "keep", "keep-for"; NULL = to be removed */
};

struct bv_retention bv_retention_of(const struct bv_settings *s);

/* What the history says of it, as an object, and back: -1 if `j` is none. Without the quotas. */
json_t *bv_retention_json(const struct bv_retention *r);
int bv_retention_parse(const json_t *j, struct bv_retention *ret);

/* What an option says counts more. */
void bv_retention_override(const struct bv_settings *s, struct bv_retention *r);

/* Say of each generation of the list (ascending numbers) what keeps it. `keep` counts those that are not known to be
 * damaged; a damaged one stays as long as an older one does, for it may be what the user wants to look at. The newest
 * good one is always kept. */
void bv_retention_decide(const struct bv_retention *policy, struct bv_retained *list, size_t count);

/* The same for a job that has ended with success: only what is guarded stays. */
void bv_retention_decide_success(struct bv_retained *list, size_t count);

/* The fewest of the oldest generations whose removal frees `needed` bytes, damaged ones first: what is guarded, in use
 * or the newest good one is not among them. keep and keep-for do not count: a quota is stronger. Returns how many,
 * their numbers in ret[] (room for `count`), or -1 if all of them are not enough; *ret_freed is what they free either
 * way. */
long bv_retention_for_space(const struct bv_retained *list, size_t count, struct bv_usage *usage, uint64_t needed,
                            unsigned *ret, uint64_t *ret_freed);
