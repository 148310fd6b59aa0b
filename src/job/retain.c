/* SPDX-License-Identifier: Apache-2.0 */
#include "job/retain.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/event.h"
#include "store/generation.h"
#include "store/pin.h"
#include "store/space.h"

int bv_retain_list(const struct bv_retainer *r, struct bv_retained **ret, size_t *ret_count, struct bv_error *err)
{
    autofree unsigned *numbers = NULL;
    size_t n = 0, count = 0;
    if (bv_generation_list(r->job, &numbers, &n, err) < 0)
        return -1;
    struct bv_retained *list = bv_alloc((n + 1) * sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        struct bv_retained *g = &list[count];
        *g = (struct bv_retained){
            .number = numbers[i],
            .guarded = bv_pin_check(r->job, numbers[i], NULL) < 0,
            .in_use = numbers[i] == r->in_use,
            .damaged = numbers[i] >= r->damaged_first && numbers[i] <= r->damaged_last,
        };
        /* One that is gone meanwhile is none. */
        count += bv_generation_age(r->job, numbers[i], &g->age_s, NULL) == 0;
    }
    *ret = list;
    *ret_count = count;
    return 0;
}

static int remove_one(const struct bv_retainer *r, unsigned number, const char *why)
{
    struct bv_error e = {0};
    if (bv_generation_remove(r->job, number, &e) < 0) {
        if (e.code != BV_EBUSY && e.code != BV_ENOJOB)
            bv_warn("cannot remove %s@%u: %s", r->job->id, number, e.text);
        return -1;
    }
    autojson json_t *fields = json_pack("{s:i, s:s}", "generation", (int)number, "why", why);
    bv_event_append(r->job, "removed", r->attempt->number, fields, NULL);
    return 0;
}

/* Oldest first: whatever interrupts this, the newest are there. */
static void remove_all(const struct bv_retainer *r, const struct bv_retained *list, size_t count, const char *why)
{
    for (size_t i = 0; i < count; i++)
        if (!list[i].kept_by)
            remove_one(r, list[i].number, why);
}

void bv_retain(const struct bv_retainer *r)
{
    autofree struct bv_retained *list = NULL;
    size_t n;
    if (bv_retain_list(r, &list, &n, NULL) < 0)
        return;
    bv_retention_decide(r->policy, list, n);
    remove_all(r, list, n, "keep");
}

void bv_retain_success(const struct bv_retainer *r)
{
    autofree struct bv_retained *list = NULL;
    size_t n;
    if (r->policy->keep_on_success || bv_retain_list(r, &list, &n, NULL) < 0)
        return;
    bv_retention_decide_success(list, n);
    remove_all(r, list, n, "success");
}

/* --- quotas --- */

struct quota {
    const char *name, *whose;
    uint64_t limit, used;
};

/* How many bytes too many there would be; 0 = it fits. */
static uint64_t excess(const struct quota *q, uint64_t expected)
{
    return q->limit && q->used + expected > q->limit ? q->used + expected - q->limit : 0;
}

/* The quota that is exceeded most, NULL if none is. */
static const struct quota *worst_of(const struct quota *q, size_t count, uint64_t expected)
{
    const struct quota *worst = NULL;
    for (size_t i = 0; i < count; i++)
        if (excess(&q[i], expected) > (worst ? excess(worst, expected) : 0))
            worst = &q[i];
    return worst;
}

static int fail_quota(const struct bv_retainer *r, const struct quota *q, uint64_t expected, uint64_t freed,
                      struct bv_error *err)
{
    char limit[BV_SIZE_TEXT], used[BV_SIZE_TEXT], free[BV_SIZE_TEXT];
    bv_size_text(q->limit, limit);
    bv_size_text(q->used + expected, used);
    bv_size_text(freed, free);
    return bv_fail(err, BV_ENOSPACE, 0,
                   "%s is %s, and with this checkpoint %s would take %s%s, of which %s can be freed; the job goes on, "
                   "and the checkpoint before is intact: raise %s, or remove what is not needed (bivouac prune, unpin, "
                   "delete)",
                   q->name, limit, q->whose[0] ? q->whose : r->job->id, expected ? "at least " : "", used, free,
                   q->name);
}

/* 0 and the worst quota (NULL = all is well), with the job's own usage. */
static int read_quotas(const struct bv_retainer *r, struct quota quota[3], struct bv_usage *usage, struct bv_error *err)
{
    const struct bv_retention *p = r->policy;
    quota[0] =
        (struct quota){.name = p->quota_job_name ? p->quota_job_name : "quota-job", .whose = "", .limit = p->quota_job};
    quota[1] = (struct quota){.name = "quota-user", .whose = "all jobs of this user", .limit = p->quota_user};
    quota[2] = (struct quota){.name = "quota-store", .whose = "all jobs of the store", .limit = p->quota_store};
    if (bv_usage_read(r->job, usage, err) < 0 ||
        (p->quota_user && bv_usage_store(r->store, 1, &quota[1].used, err) < 0) ||
        (p->quota_store && bv_usage_store(r->store, 0, &quota[2].used, err) < 0))
        return -1;
    quota[0].used = bv_usage_total(usage);
    return 0;
}

/* What to remove so that it fits: *ret is allocated. */
static int plan(const struct bv_retainer *r, uint64_t expected, const char **ret_why, unsigned **ret, size_t *ret_count,
                struct bv_error *err)
{
    const struct bv_retention *p = r->policy;
    struct quota quota[3];
    autousage struct bv_usage usage = {0};
    autofree struct bv_retained *list = NULL;
    size_t n;
    *ret_count = 0;
    if (!p->quota_job && !p->quota_user && !p->quota_store)
        return 0;
    if (read_quotas(r, quota, &usage, err) < 0)
        return -1;
    const struct quota *worst = worst_of(quota, 3, expected);
    if (!worst)
        return 0;
    if (bv_retain_list(r, &list, &n, err) < 0)
        return -1;

    uint64_t freed;
    autofree unsigned *numbers = bv_alloc((n + 1) * sizeof(*numbers));
    long count = bv_retention_for_space(list, n, &usage, excess(worst, expected), numbers, &freed);
    if (count < 0)
        return fail_quota(r, worst, expected, freed, err);
    *ret_why = worst->name;
    *ret = steal_ptr(&numbers);
    *ret_count = (size_t)count;
    return 0;
}

int bv_quota_predict(const struct bv_retainer *r, uint64_t expected, struct bv_error *err)
{
    const char *why;
    autofree unsigned *numbers = NULL;
    size_t n;
    return plan(r, expected, &why, &numbers, &n, err);
}

int bv_quota_enforce(const struct bv_retainer *r, struct bv_error *err)
{
    const char *why;
    autofree unsigned *numbers = NULL;
    size_t n;
    if (plan(r, 0, &why, &numbers, &n, err) < 0)
        return -1;
    if (n && bv_attempt_check(r->attempt, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (remove_one(r, numbers[i], why) < 0)
            return bv_fail(
                err, BV_ENOSPACE, 0,
                "%s is used up, and %s@%u could not be removed: it was pinned just now, or is being read; the "
                "job goes on, and the checkpoint before is intact",
                why, r->job->id, numbers[i]);
    return 0;
}
