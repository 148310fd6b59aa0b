/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* What checkpoints of a job have cost, and what the next one will. */

struct bv_cost {
    double frozen_s; /* the job stood still */
    double total_s;  /* from the beginning to the commit */
    uint64_t memory; /* bytes of the tree then, 0 = not known */
};

#define BV_COSTS 4 /* a job's phases differ: only what was measured lately counts */

struct bv_costs {
    struct bv_cost recent[BV_COSTS]; /* a ring */
    unsigned count;                  /* of all that were ever added */
};

void bv_costs_add(struct bv_costs *c, struct bv_cost measured);

/* Seconds that a checkpoint of a tree with `memory` bytes may take until its commit: what the slowest of the recent
 * ones took, and as much more as the tree has grown since (a tree that has shrunk is not believed to be much faster).
 * Before the first measurement a guess that a slow disk keeps. 0 bytes = not known. */
double bv_costs_predict(const struct bv_costs *c, uint64_t memory);

/* What one checkpoint costs the job, in s, for the choice of an interval: the mean of the recent ones. All of the time
 * until the commit is counted, not only the freeze: the writer competes with the job for CPUs and disks, and where it
 * does not, counting it only makes the interval longer, by the square root. */
double bv_costs_mean(const struct bv_costs *c, uint64_t memory);
