/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SLOTS_MIN 1024u
#define SLOTS_MAX (UINT32_MAX - 1)

void bv_pages_free(struct bv_pages *p)
{
    free(p->page);
    free(p->slots);
    *p = (struct bv_pages){0};
}

/* Digests are as good as random: any of their bits will do. */
static uint32_t word_of(const struct bv_digest *d, size_t at)
{
    uint32_t word;
    memcpy(&word, d->bytes + at, sizeof(word));
    return word;
}

static uint32_t slot_of(const struct bv_pages *p, const struct bv_digest *d)
{
    return (uint32_t)((uint64_t)word_of(d, 0) * p->slot_count >> 32);
}

static void insert(struct bv_pages *p, uint32_t number)
{
    const struct bv_digest *d = &p->page[number].digest;
    uint32_t at = slot_of(p, d);
    while (p->slots[at].page != BV_PAGE_NONE)
        at = at + 1 == p->slot_count ? 0 : at + 1;
    p->slots[at] = (struct bv_page_slot){.tag = word_of(d, 4), .page = number};
}

/* A table that is at most three quarters full with `count` pages. */
static void resize(struct bv_pages *p, uint64_t count)
{
    uint64_t want = count + count / 3 + SLOTS_MIN;
    struct bv_page_slot *old = p->slots;
    uint32_t old_count = p->slot_count;
    p->slot_count = want > SLOTS_MAX ? SLOTS_MAX : (uint32_t)want;
    p->slots = bv_realloc(NULL, p->slot_count, sizeof(*p->slots));
    memset(p->slots, 0xff, p->slot_count * sizeof(*p->slots));
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i].page != BV_PAGE_NONE)
            insert(p, old[i].page);
    free(old);
}

void bv_pages_reserve(struct bv_pages *p, uint64_t count)
{
    if (count <= p->room || count >= BV_PAGE_NONE)
        return;
    p->room = (uint32_t)count;
    p->page = bv_realloc(p->page, p->room, sizeof(*p->page));
    if (count - count / 4 > p->slot_count)
        resize(p, count);
}

uint32_t bv_pages_find(const struct bv_pages *p, const struct bv_digest *digest, uint32_t place)
{
    if (place < p->count && p->page[place].block != BV_PAGE_NONE && bv_digest_same(&p->page[place].digest, digest))
        return place;
    if (p->slot_count == 0)
        return BV_PAGE_NONE;
    uint32_t tag = word_of(digest, 4);
    for (uint32_t at = slot_of(p, digest); p->slots[at].page != BV_PAGE_NONE; at = at + 1 == p->slot_count ? 0 : at + 1)
        if (p->slots[at].tag == tag && bv_digest_same(&p->page[p->slots[at].page].digest, digest))
            return p->slots[at].page;
    return BV_PAGE_NONE;
}

int bv_pages_add(struct bv_pages *p, const struct bv_page *page, uint32_t *ret)
{
    if (p->count == BV_PAGE_NONE - 1)
        return -1;
    if (p->count == p->room) {
        uint64_t room = p->room + (uint64_t)p->room / 2 + 1024;
        p->room = room > BV_PAGE_NONE ? BV_PAGE_NONE : (uint32_t)room;
        p->page = bv_realloc(p->page, p->room, sizeof(*p->page));
    }
    p->page[p->count] = *page;
    if (page->block != BV_PAGE_NONE && bv_pages_find(p, &page->digest, BV_PAGE_NONE) == BV_PAGE_NONE) {
        if (p->used >= p->slot_count / 4 * 3 && p->slot_count < SLOTS_MAX)
            resize(p, p->used + (uint64_t)p->used / 2 + 1);
        insert(p, p->count);
        p->used++;
    }
    *ret = p->count++;
    return 0;
}

void bv_pages_prefetch(const struct bv_pages *p, const struct bv_digest *digest)
{
    if (p->slot_count)
        __builtin_prefetch(&p->slots[slot_of(p, digest)]);
}
