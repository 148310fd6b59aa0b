/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/cost.h"

#define GUESS_FIXED_S 1.0
#define GUESS_RATE    (128.0 * (1 << 20)) /* bytes/s from frozen to durable */
#define LEAST_S       0.05
#define SHRUNK_MOST   0.5 /* of a prediction is left at least when the tree is smaller */

void bv_costs_add(struct bv_costs *c, struct bv_cost measured)
{
    if (!(measured.total_s >= 0) || measured.total_s > 1e9)
        return; /* what comes from a history may be anything */
    c->recent[c->count % BV_COSTS] = measured;
    c->count++;
}

static unsigned known(const struct bv_costs *c)
{
    return c->count < BV_COSTS ? c->count : BV_COSTS;
}

static double guess(uint64_t memory)
{
    return GUESS_FIXED_S + (double)memory / GUESS_RATE;
}

static double scaled(const struct bv_cost *one, uint64_t memory)
{
    double seconds = one->total_s > LEAST_S ? one->total_s : LEAST_S;
    if (!one->memory || !memory)
        return seconds;
    double growth = (double)memory / (double)one->memory;
    return seconds * (growth > SHRUNK_MOST ? growth : SHRUNK_MOST);
}

double bv_costs_predict(const struct bv_costs *c, uint64_t memory)
{
    double worst = 0;
    if (c->count == 0)
        return guess(memory);
    for (unsigned i = 0; i < known(c); i++) {
        double seconds = scaled(&c->recent[i], memory);
        worst = seconds > worst ? seconds : worst;
    }
    return worst;
}

double bv_costs_mean(const struct bv_costs *c, uint64_t memory)
{
    double sum = 0;
    if (c->count == 0)
        return guess(memory);
    for (unsigned i = 0; i < known(c); i++)
        sum += c->recent[i].total_s > LEAST_S ? c->recent[i].total_s : LEAST_S;
    return sum / known(c);
}
