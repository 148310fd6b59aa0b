/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/gen_writer.h"

/* Which pages of a slab are new, and where they go. One slab at a time, in the order in which they came. */

static size_t page_size(const struct bv_slab *slab, size_t i)
{
    size_t left = slab->size - i * BV_PAGE_SIZE;
    return left < BV_PAGE_SIZE ? left : BV_PAGE_SIZE;
}

/* --- extents --- */

static struct bv_out_extent *add_extent(struct bv_gen_out *o)
{
    if (o->count == o->room) {
        o->room = o->room ? o->room * 2 : 4;
        o->extents = bv_realloc(o->extents, o->room, sizeof(*o->extents));
    }
    return &o->extents[o->count++];
}

static void add_zeros(struct bv_gen_out *o, uint64_t length)
{
    struct bv_out_extent *last = o->count ? &o->extents[o->count - 1] : NULL;
    if (last && last->block == BV_EXTENT_ZERO)
        last->length += length;
    else
        *add_extent(o) = (struct bv_out_extent){.length = length, .block = BV_EXTENT_ZERO};
}

static void add_page(struct bv_gen_out *o, uint32_t number, const struct bv_page *page, size_t size)
{
    struct bv_out_extent *last = o->count ? &o->extents[o->count - 1] : NULL;
    if (last && last->block == page->block && last->skip + last->length == page->skip &&
        last->page + last->length / BV_PAGE_SIZE == number)
        last->length += size;
    else
        *add_extent(o) =
            (struct bv_out_extent){.length = size, .block = page->block, .skip = page->skip, .page = number};
}

/* --- blocks --- */

static struct bv_made *new_block(struct bv_gen_writer *w)
{
    struct bv_made *b = bv_realloc(NULL, 1, sizeof(*b));
    b->number = w->block_count++;
    b->size = 0;
    b->slab = NULL;
    b->out = NULL;
    b->is_paged = 1;
    return b;
}

/* The slab becomes a block, which is made of those of its pages that are kept. */
static void put_own(struct bv_gen_writer *w, struct bv_item *item, const uint8_t *keep, size_t size)
{
    struct bv_made *b = new_block(w);
    size_t pieces = 0;
    b->raw = item->slab->bytes;
    b->size = size;
    for (size_t i = 0; i * BV_PAGE_SIZE < item->slab->size; i++)
        if (keep[i])
            b->piece[pieces++] = item->hashes->digest[i];
    memcpy(b->keep, keep, sizeof(b->keep));
    b->slab = item->slab;
    item->slab = NULL;
    bv_pipe_put_block(&w->pipe, b);
}

void bv_gen_seal(struct bv_gen_writer *w)
{
    if (w->shared)
        bv_pipe_put_block(&w->pipe, w->shared);
    w->shared = NULL;
}

/* Copy the pages that are kept behind what is gathered already. */
static void put_shared(struct bv_gen_writer *w, const struct bv_item *item, const uint8_t *keep)
{
    struct bv_made *b = w->shared;
    for (size_t i = 0; i * BV_PAGE_SIZE < item->slab->size; i++) {
        if (!keep[i])
            continue;
        size_t n = page_size(item->slab, i);
        memcpy(b->raw + b->size, (const uint8_t *)item->slab->bytes + i * BV_PAGE_SIZE, n);
        /* The tail of a stream moves all that follows it out of step. */
        if (b->size % BV_PAGE_SIZE)
            b->is_paged = 0;
        else
            b->piece[b->size / BV_PAGE_SIZE] = item->hashes->digest[i];
        b->size += n;
    }
}

/* Have a shared block with room for `size` bytes. */
static void open_shared(struct bv_gen_writer *w, size_t size)
{
    if (w->shared && w->shared->size + size > BV_BLOCK_MAX)
        bv_gen_seal(w);
    if (w->shared)
        return;
    w->shared = new_block(w);
    w->shared->raw = bv_pipe_shared_buffer(&w->pipe);
}

/* --- the decision --- */

struct found {
    uint32_t page[BV_BLOCK_PAGES]; /* BV_PAGE_NONE = zeros */
    uint8_t keep[BV_BLOCK_PAGES];  /* it is new */
    uint32_t first_new;
    size_t zero, same, new_size;
};

/* Look each page up. New ones become known at once, as if they were to be a block of their own, which would be the next
 * one: so they are found again if the slab has them twice. */
static int look_up(struct bv_gen_writer *w, const struct bv_item *item, struct found *f)
{
    struct bv_gen_out *o = item->out;
    const struct bv_hashes *h = item->hashes;
    size_t count = (item->slab->size + BV_PAGE_SIZE - 1) / BV_PAGE_SIZE;
    uint32_t block = (uint32_t)bv_base_blocks(&w->base) + w->block_count;

    f->first_new = w->pages.count;
    for (size_t i = 0; i < count; i++)
        if (!h->zero[i])
            bv_pages_prefetch(&w->pages, &h->digest[i]);
    for (size_t i = 0; i < count; i++) {
        size_t n = page_size(item->slab, i);
        f->keep[i] = 0;
        f->page[i] = BV_PAGE_NONE;
        if (h->zero[i]) {
            f->zero += n;
            continue;
        }
        f->page[i] = bv_pages_find(&w->pages, &h->digest[i], o->place);
        if (f->page[i] != BV_PAGE_NONE) {
            o->place = f->page[i] + 1;
            f->same += n;
            continue;
        }
        struct bv_page page = {.digest = h->digest[i], .block = block, .skip = (uint32_t)f->new_size};
        if (bv_pages_add(&w->pages, &page, &f->page[i]) < 0)
            return -1;
        /* Most likely the page was changed where it is, and the next one follows that which was here. */
        if (o->place != BV_PAGE_NONE)
            o->place++;
        f->keep[i] = 1;
        f->new_size += n;
    }
    return 0;
}

static void add_pages(struct bv_gen_writer *w, const struct bv_item *item, const struct bv_slab *slab,
                      const struct found *f)
{
    for (size_t i = 0; i * BV_PAGE_SIZE < slab->size; i++) {
        if (f->page[i] == BV_PAGE_NONE)
            add_zeros(item->out, page_size(slab, i));
        else
            add_page(item->out, f->page[i], &w->pages.page[f->page[i]], page_size(slab, i));
    }
}

int bv_gen_decide(void *arg, struct bv_item *item, struct bv_error *err)
{
    struct bv_gen_writer *w = arg;
    struct found f;
    if (!item->slab) {
        add_zeros(item->out, item->zeros);
        w->zero_bytes += item->zeros;
        bv_gen_count_done(w, item->zeros);
        return 0;
    }
    f.zero = f.same = f.new_size = 0;
    if (look_up(w, item, &f) < 0)
        return bv_fail(err, BV_ESTORE, 0, "%s: a generation cannot have so many pages", w->what);
    int own = f.new_size >= BV_OWN_BLOCK_MIN;
    if (!own && f.new_size) {
        open_shared(w, f.new_size);
        for (uint32_t i = f.first_new; i < w->pages.count; i++) {
            w->pages.page[i].block = (uint32_t)bv_base_blocks(&w->base) + w->shared->number;
            w->pages.page[i].skip += (uint32_t)w->shared->size;
        }
    }
    add_pages(w, item, item->slab, &f);
    if (own)
        put_own(w, item, f.keep, f.new_size);
    else if (f.new_size)
        put_shared(w, item, f.keep);
    w->zero_bytes += f.zero;
    w->same_bytes += f.same;
    w->new_bytes += f.new_size;
    bv_gen_count_done(w, f.zero + f.same);
    return 0;
}
