/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "store/digest.h"

/* The pages that are known to a writer: those of the base, in the order of its streams, then those it has stored
 * itself. Found by their place, behind the page that was found last, or by their digest. 36 to 42 bytes a page. Private
 * to src/store. */

#define BV_PAGE_NONE UINT32_MAX

struct bv_page {
    struct bv_digest digest;
    uint32_t block, skip; /* BV_PAGE_NONE: known to have been at this place, but not to be used */
};

struct bv_page_slot {
    uint32_t tag, page; /* BV_PAGE_NONE = free */
};

struct bv_pages {
    struct bv_page *page;
    uint32_t count, room;
    struct bv_page_slot *slots; /* a hash table with linear probing */
    uint32_t slot_count, used;
};

void bv_pages_free(struct bv_pages *p);

/* Make room for `count` pages at once. */
void bv_pages_reserve(struct bv_pages *p, uint64_t count);

/* Append a page; *ret is its number. The first with a digest is the one that is found. -1 when numbers are used up
 * (after 16 TiB). */
int bv_pages_add(struct bv_pages *p, const struct bv_page *page, uint32_t *ret);

/* The number of a page with this digest, or BV_PAGE_NONE. `place` (or BV_PAGE_NONE) is looked at first. */
uint32_t bv_pages_find(const struct bv_pages *p, const struct bv_digest *digest, uint32_t place);

/* Have the processor fetch what bv_pages_find() will look at. */
void bv_pages_prefetch(const struct bv_pages *p, const struct bv_digest *digest);
