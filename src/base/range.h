/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Ranges of a file: in order, apart, none empty. */
struct bv_range {
    uint64_t at, length;
};

struct bv_ranges {
    struct bv_range *range; /* freed by the owner */
    size_t count, room;
};

/* Add one that begins at or after the end of the last; adjoining ones become one. */
void bv_ranges_add(struct bv_ranges *r, uint64_t at, uint64_t length);

/* Forget all of them. */
void bv_ranges_free(struct bv_ranges *r);
#define autoranges __attribute__((cleanup(bv_ranges_free)))
