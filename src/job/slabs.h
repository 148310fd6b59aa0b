/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/generation.h"

/* Staging memory: a bounded number of slabs into which the frozen job's pages are read. They come from one mapping,
 * with huge pages where the kernel has them, and go back to the pool from any thread. */

struct bv_slabs;

/* At most `limit` bytes (at least 4 slabs); the first `ready` bytes are made present now, so that no page fault adds
 * to the freeze. NULL if there is no memory. */
struct bv_slabs *bv_slabs_new(uint64_t limit, uint64_t ready);
void bv_slabs_free(struct bv_slabs *s);

/* A slab whose release puts it back; NULL if all are out. */
struct bv_slab *bv_slabs_take(struct bv_slabs *s);

/* As above, but waits for one to come back. The caller has `held` of them: if these are all, none would, and it gets
 * one more than there should be. */
struct bv_slab *bv_slabs_wait(struct bv_slabs *s, size_t held);
