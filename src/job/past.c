/* SPDX-License-Identifier: Apache-2.0 */
#include "job/past.h"

#include <string.h>

#include "base/clock.h"

static double positive(const json_t *event, const char *key)
{
    double value = json_number_value(json_object_get(event, key));
    return value > 0 ? value : 0;
}

static void learn(struct bv_past *p, const json_t *event)
{
    const json_t *total = json_object_get(event, "total_s");
    json_int_t memory = json_integer_value(json_object_get(event, "memory_bytes"));
    if (!json_is_number(total))
        return;
    bv_costs_add(&p->costs, (struct bv_cost){.frozen_s = positive(event, "frozen_s"),
                                             .total_s = json_number_value(total) + positive(event, "verify_s"),
                                             .memory = memory > 0 ? (uint64_t)memory : 0});
}

struct bv_past bv_past_read(const json_t *events, unsigned attempt)
{
    struct bv_past p = {0};
    int64_t begun_ns = 0, last_ns = 0, at_ns;
    json_int_t running = -1; /* the attempt that the lines before were of */
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i);
        const char *what = json_string_value(json_object_get(e, "event"));
        const char *time = json_string_value(json_object_get(e, "time"));
        const json_t *number = json_object_get(e, "attempt");
        if (!what || !time || !json_is_integer(number) || bv_time_parse(time, &at_ns) < 0)
            continue;
        if (strcmp(what, "started") == 0 || strcmp(what, "restarted") == 0) {
            p.run_s += last_ns > begun_ns ? (double)(last_ns - begun_ns) / (double)BV_NSEC_PER_SEC : 0;
            begun_ns = last_ns = at_ns;
            running = json_integer_value(number);
        }
        if (json_integer_value(number) == running && at_ns > last_ns)
            last_ns = at_ns;
        if (strcmp(what, "checkpointed") == 0)
            learn(&p, e);
        if (strcmp(what, "no-progress") == 0 && json_integer_value(number) + 1 == (json_int_t)attempt)
            p.no_progress = 1;
    }
    p.run_s += last_ns > begun_ns ? (double)(last_ns - begun_ns) / (double)BV_NSEC_PER_SEC : 0;
    return p;
}

int bv_past_has_kept(const json_t *events, unsigned generation, unsigned attempt)
{
    int is_ours = 1; /* else of the job that was exported, whose attempts have other numbers */
    for (size_t i = json_array_size(events); i-- > 0;) {
        const json_t *e = json_array_get(events, i);
        const char *what = json_string_value(json_object_get(e, "event"));
        int is_it = json_integer_value(json_object_get(e, "generation")) == (json_int_t)generation;
        if (what && strcmp(what, "imported") == 0) {
            if (!is_it)
                return 0; /* it was made since then, and others had its number before */
            is_ours = 0;
        }
        if (what && is_it && strcmp(what, BV_EVENT_KEPT) == 0 &&
            (!is_ours || json_integer_value(json_object_get(e, "attempt")) < (json_int_t)attempt))
            return 1;
    }
    return 0;
}
