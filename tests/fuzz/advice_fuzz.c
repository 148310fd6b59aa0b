/* SPDX-License-Identifier: Apache-2.0 */
/* What a scheduler's watcher says to the supervisor; and, as a list of events, what a history says to the policy. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "job/advice.h"
#include "job/past.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void advise(const json_t *message)
{
    struct bv_advice a;
    if (bv_advice_parse(message, &a, NULL) < 0)
        return;
    if (a.at_ns < 0 || !(a.grace >= 0) || a.grace > BV_ADVICE_GRACE_MAX || !memchr(a.why, '\0', sizeof(a.why)) ||
        !memchr(a.text, '\0', sizeof(a.text)))
        abort();
}

static void remember(const json_t *events)
{
    struct bv_past p = bv_past_read(events, 1);
    double cost = bv_costs_predict(&p.costs, 1 << 30);
    if (!isfinite(p.run_s) || p.run_s < 0 || !isfinite(cost) || cost <= 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autojson json_t *j = NULL;
    if (bv_json_parse((const char *)data, size, &j, NULL) < 0)
        return 0;
    advise(j);
    remember(j);
    return 0;
}
