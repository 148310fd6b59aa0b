/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/generation.h"
#include "store/index.h"
#include "store/pages.h"

/* The generation whose pages a new one need not store again, and the hard links through which the new one comes to own
 * what it uses of it. Private to src/store. */

struct bv_base {
    struct bv_gen *gen; /* NULL = there is none; its packs are open, of its index only packs and blocks are left */
    int linked[BV_PACKS_MAX]; /* the pack has a link in the new directory already */
    uint32_t *place;          /* the first page of each stream */
};

/* Open generation `number` of the job and learn its pages, but not those in packs that are retired: of which too little
 * is in use, or that are too many. Makes links in `dirfd`, so that it does not matter if the base is deleted meanwhile.
 * If the base cannot be opened, there is none. */
void bv_base_open(struct bv_base *b, const struct bv_job *j, unsigned number, int dirfd, struct bv_pages *pages,
                  uint64_t *ret_seed);
void bv_base_close(struct bv_base *b);

/* The number of the first page of the base's stream called `name`, BV_PAGE_NONE if it has none. */
uint32_t bv_base_place(const struct bv_base *b, const char *name);

/* How many blocks a base has; 0 without one. */
size_t bv_base_blocks(const struct bv_base *b);

/* Add to `x` those packs that `used` says, one byte for each block, and remove the links of the others. Where the file
 * system has refused a link, the pack is copied and synced. *ret_linked and *ret_copied get their sizes; map[] the new
 * number of each block. */
int bv_base_keep(struct bv_base *b, const uint8_t *used, int dirfd, struct bv_index *x, uint32_t *map,
                 uint64_t *ret_linked, uint64_t *ret_copied, struct bv_error *err);
