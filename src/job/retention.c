/* SPDX-License-Identifier: Apache-2.0 */
#include "job/retention.h"

struct bv_retention bv_retention_of(const struct bv_settings *s)
{
    return (struct bv_retention){
        .keep = s->keep,
        .keep_for = s->keep_for,
        .keep_on_success = s->keep_on_success,
        .quota_job = s->quota_job,
        .quota_job_name = s->quota_job_name,
        .quota_user = s->quota_user,
        .quota_store = s->quota_store,
    };
}

json_t *bv_retention_json(const struct bv_retention *r)
{
    return json_pack("{s:i, s:f, s:b}", "keep", (int)r->keep, "keep_for_s", r->keep_for, "keep_on_success",
                     r->keep_on_success);
}

int bv_retention_parse(const json_t *j, struct bv_retention *ret)
{
    uint64_t keep;
    int on_success;
    const json_t *keep_for = json_object_get(j, "keep_for_s");
    if (!json_is_object(j) || bv_json_u64(j, "keep", UINT32_MAX, &keep, NULL) < 0 || !json_is_number(keep_for) ||
        bv_json_bool(j, "keep_on_success", &on_success, NULL) < 0)
        return -1;
    ret->keep = (unsigned)keep;
    ret->keep_for = json_number_value(keep_for);
    ret->keep_on_success = on_success;
    return 0;
}

static int is_option(const struct bv_settings *s, const char *key)
{
    return s->source[bv_setting_find(key) - bv_setting_table].layer == BV_LAYER_OPTION;
}

void bv_retention_override(const struct bv_settings *s, struct bv_retention *r)
{
    if (is_option(s, "keep"))
        r->keep = s->keep;
    if (is_option(s, "keep-for"))
        r->keep_for = s->keep_for;
    if (is_option(s, "keep-on-success"))
        r->keep_on_success = s->keep_on_success;
}

/* The one that is never removed: the newest of which nothing bad is known, or simply the newest. */
static size_t newest_good(const struct bv_retained *list, size_t count)
{
    for (size_t i = count; i-- > 0;)
        if (!list[i].damaged)
            return i;
    return count ? count - 1 : 0;
}

void bv_retention_decide(const struct bv_retention *policy, struct bv_retained *list, size_t count)
{
    size_t newest = newest_good(list, count), good = 0;
    for (size_t i = count; i-- > 0;) {
        struct bv_retained *g = &list[i];
        if (i == newest)
            g->kept_by = "newest";
        else if (g->guarded)
            g->kept_by = "guarded";
        else if (g->in_use)
            g->kept_by = "in-use";
        else if (good < policy->keep)
            g->kept_by = "keep";
        else if (g->age_s < policy->keep_for)
            g->kept_by = "keep-for";
        else
            g->kept_by = NULL;
        good += !g->damaged;
    }
}

void bv_retention_decide_success(struct bv_retained *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        list[i].kept_by = list[i].guarded ? "guarded" : NULL;
}

long bv_retention_for_space(const struct bv_retained *list, size_t count, struct bv_usage *usage, uint64_t needed,
                            unsigned *ret, uint64_t *ret_freed)
{
    size_t newest = newest_good(list, count);
    long n = 0;
    *ret_freed = 0;
    for (int damaged = 1; damaged >= 0; damaged--)
        for (size_t i = 0; i < count && *ret_freed < needed; i++) {
            const struct bv_retained *g = &list[i];
            if (i == newest || g->guarded || g->in_use || (g->damaged == 0) == damaged)
                continue;
            ret[n++] = g->number;
            *ret_freed = bv_usage_freed(usage, ret, (size_t)n);
        }
    return *ret_freed >= needed ? n : -1;
}
