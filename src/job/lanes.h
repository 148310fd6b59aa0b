/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "store/generation.h"

/* One big image, read by several threads. While the job is frozen, copying its pages out of the engine's pipe is what
 * takes longest, and who reads a pipe keeps out who writes it. So the pages are only moved on, uncopied, to pipes of
 * our own, the lanes, each of which holds a slab; threads copy from these, and the engine is free to go on.
 *
 * Used by one thread, for one image at a time. Slabs come back in the order in which they were begun. */

struct bv_lanes;

/* NULL if there are no threads or no big pipes to be had (pipe-user-pages-soft): read the image alone then. */
struct bv_lanes *bv_lanes_new(void);
/* What is in a lane is dropped, and its slab released. NULL is allowed. */
void bv_lanes_free(struct bv_lanes *l);

/* All lanes are in use: the next call has to be bv_lanes_collect(). */
int bv_lanes_full(const struct bv_lanes *l);
/* No lane is. */
int bv_lanes_empty(const struct bv_lanes *l);

/* Move bytes of `fd` on to a lane that leads to *slab. When they fill it, or have come to their end, it is the lanes'
 * and *slab becomes NULL. Returns how many were moved, 0 at the end, or -1 with errno, EAGAIN included. */
ssize_t bv_lanes_fill(struct bv_lanes *l, int fd, struct bv_slab **slab);

/* Wait for the oldest slab; it is the caller's again, filled. Returns 0, or the errno of a failed read. */
int bv_lanes_collect(struct bv_lanes *l, struct bv_slab **ret);
