/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the history holds, its sums are numbers that can be: nothing is negative, and no more is lost than was run.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "job/timeline.h"
#include "store/event_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int condition)
{
    if (!condition)
        abort();
}

static void check(const struct bv_timeline *t)
{
    const double slack = 1e-6 * (1 + t->running_s + t->saved_s);
    need(isfinite(t->running_s) && isfinite(t->frozen_s) && isfinite(t->restore_s) && isfinite(t->saved_s));
    need(t->running_s >= 0 && t->frozen_s >= 0 && t->restore_s >= 0 && t->saved_s >= 0 && t->lost_s >= 0);
    need(t->lost_s <= t->running_s + slack && t->efficiency <= 1 + 1e-6);
    for (size_t i = 0; i < t->attempts; i++) {
        const struct bv_timeline_attempt *a = &t->attempt[i];
        need(a->position_s >= 0 && a->running_s >= 0 && a->frozen_s >= 0 && a->lost_s <= a->running_s + slack);
    }
    for (size_t i = 0; i < t->checkpoints; i++)
        need(t->checkpoint[i].attempt < t->attempts && t->checkpoint[i].position_s >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t seen[] = {1795296245000000000, 0, 1795296300000000000, 1};
    static const unsigned kept[] = {1, 2, 7};
    for (int alive = 0; alive < 2; alive++) {
        struct bv_timeline_facts facts = {.now_ns = 1795299999000000000, .alive = alive, .seen_ns = seen};
        struct bv_timeline t;
        facts.seen_count = alive ? 4 : 0;
        facts.kept = kept;
        facts.kept_count = alive ? 3 : 0;
        autojson json_t *events = bv_events_parse((const char *)data, size, 0);
        bv_timeline_build(events, &facts, &t);
        check(&t);
        autojson json_t *all = bv_timeline_json(&t);
        need(json_is_object(all));
        bv_timeline_free(&t);
    }
    return 0;
}
