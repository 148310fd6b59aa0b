/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "store/attempt.h"

/* How many bytes of a job's relayed standard output [0] and error [1] the outside has got, over all attempts. Kept in
 * attempts/NNNN.out, mapped, so that the numbers survive the death of the supervisor. */

#define BV_COUNTERS 2

/* Create this attempt's counters with these values. *ret stays mapped until the process ends. */
int bv_counters_create(const struct bv_attempt *a, const uint64_t values[BV_COUNTERS], uint64_t **ret,
                       struct bv_error *err);

/* What the last attempt before `number` that had counters has left in them; 0 if none had. */
void bv_counters_before(const struct bv_attempt *a, unsigned number, uint64_t ret[BV_COUNTERS]);
