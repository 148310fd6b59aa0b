/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/gen.h"

/* --- which packs are worth keeping --- */

struct use {
    uint64_t live, all; /* pages of the pack that the base uses, and that it has */
    int retired;
};

/* Count each page of each block once, however many extents use it. */
static void count_live(const struct bv_index *x, struct use *use)
{
    uint8_t(*seen)[BV_BLOCK_PAGES / 8] = bv_alloc(x->block_count * sizeof(*seen));
    for (size_t i = 0; i < x->extent_count; i++) {
        const struct bv_extent *e = &x->extents[i];
        if (e->block == BV_EXTENT_ZERO)
            continue;
        uint32_t end = (uint32_t)bv_page_count(e->skip + e->length);
        for (uint32_t page = e->skip / BV_PAGE_SIZE; page < end; page++) {
            uint8_t *byte = &seen[e->block][page / 8], bit = (uint8_t)(1u << page % 8);
            use[x->blocks[e->block].pack].live += !(*byte & bit);
            *byte |= bit;
        }
    }
    for (size_t i = 0; i < x->block_count; i++)
        use[x->blocks[i].pack].all += bv_page_count(x->blocks[i].raw);
    free(seen);
}

static void choose_packs(const struct bv_index *x, struct use *use)
{
    size_t kept = 0;
    count_live(x, use);
    for (size_t i = 0; i < x->pack_count; i++) {
        use[i].retired = use[i].live * 100 < use[i].all * BV_LIVE_PERCENT;
        kept += !use[i].retired;
    }
    /* Of those that are too many, the cheapest to write again. */
    for (; kept >= BV_PACKS_SHARED; kept--) {
        struct use *least = NULL;
        for (size_t i = 0; i < x->pack_count; i++)
            if (!use[i].retired && (!least || use[i].live < least->live))
                least = &use[i];
        least->retired = 1;
    }
}

/* --- opening --- */

/* Returns the digest behind those of the extent. */
static const struct bv_digest *learn_extent(const struct bv_extent *e, int retired, const struct bv_digest *digest,
                                            struct bv_pages *pages)
{
    uint32_t number;
    for (uint64_t at = 0; at < e->length; at += BV_PAGE_SIZE) {
        struct bv_page page = {.digest = *digest++, .block = e->block, .skip = e->skip + (uint32_t)at};
        if (retired)
            page.block = BV_PAGE_NONE;
        bv_pages_add(pages, &page, &number);
    }
    return digest;
}

static void learn_pages(struct bv_base *b, const struct use *use, struct bv_pages *pages)
{
    const struct bv_index *x = &b->gen->index;
    const struct bv_digest *digest = x->pages;
    bv_pages_reserve(pages, x->page_count);
    b->place = bv_realloc(NULL, x->stream_count + 1, sizeof(*b->place));
    for (size_t i = 0; i < x->stream_count; i++) {
        const struct bv_stream *s = &x->streams[i];
        b->place[i] = pages->count;
        for (size_t k = s->first; k < s->first + s->count; k++) {
            const struct bv_extent *e = &x->extents[k];
            if (e->block != BV_EXTENT_ZERO)
                digest = learn_extent(e, use[x->blocks[e->block].pack].retired, digest, pages);
        }
    }
}

/* A failed link is no error: what is needed will be copied in the end. */
static void link_packs(struct bv_base *b, const struct use *use, int dirfd)
{
    const struct bv_index *x = &b->gen->index;
    for (size_t i = 0; i < x->pack_count; i++) {
        char name[BV_PACK_NAME];
        bv_pack_name(x->packs[i].generation, name);
        b->linked[i] = !use[i].retired && linkat(b->gen->dirfd, name, dirfd, name, 0) == 0;
    }
}

void bv_base_open(struct bv_base *b, const struct bv_job *j, unsigned number, int dirfd, struct bv_pages *pages,
                  uint64_t *ret_seed)
{
    struct use use[BV_PACKS_MAX] = {{0}};
    *b = (struct bv_base){0};
    if (number == 0 || bv_gen_open(j, number, &b->gen, NULL) < 0)
        return;
    struct bv_index *x = &b->gen->index;
    *ret_seed = x->seed;
    choose_packs(x, use);
    link_packs(b, use, dirfd);
    learn_pages(b, use, pages);
    free(steal_ptr(&x->pages));
    free(steal_ptr(&x->extents));
    x->extent_count = x->extent_room = 0;
}

void bv_base_close(struct bv_base *b)
{
    bv_gen_close(steal_ptr(&b->gen));
    free(steal_ptr(&b->place));
}

uint32_t bv_base_place(const struct bv_base *b, const char *name)
{
    ssize_t i = b->gen ? bv_index_find(&b->gen->index, name) : -1;
    return i < 0 ? BV_PAGE_NONE : b->place[i];
}

size_t bv_base_blocks(const struct bv_base *b)
{
    return b->gen ? b->gen->index.block_count : 0;
}

/* --- keeping --- */

static int copy_pack(const struct bv_pack_reader *from, const char *name, int dirfd, struct bv_error *err)
{
    autoclose int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || bv_copy_file(from->fd, fd, (off_t)from->size, NULL) < 0 || fsync(fd) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot copy %s of an earlier generation", name);
    return 0;
}

static int keep_pack(struct bv_base *b, size_t i, int dirfd, struct bv_index *x, uint32_t *map, struct bv_error *err)
{
    const struct bv_index *from = &b->gen->index;
    const struct bv_pack_ref *ref = &from->packs[i];
    char name[BV_PACK_NAME];
    bv_pack_name(ref->generation, name);
    if (!b->linked[i] && copy_pack(&b->gen->packs[i], name, dirfd, err) < 0)
        return -1;
    bv_index_pack(x, ref);
    for (uint32_t k = ref->first; k < ref->first + ref->count; k++) {
        map[k] = (uint32_t)x->block_count;
        bv_index_block(x, from->blocks[k].raw, from->blocks[k].stored);
    }
    return 0;
}

int bv_base_keep(struct bv_base *b, const uint8_t *used, int dirfd, struct bv_index *x, uint32_t *map,
                 uint64_t *ret_linked, uint64_t *ret_copied, struct bv_error *err)
{
    for (size_t i = 0; b->gen && i < b->gen->index.pack_count; i++) {
        const struct bv_pack_ref *ref = &b->gen->index.packs[i];
        int wanted = 0;
        for (uint32_t k = ref->first; k < ref->first + ref->count; k++)
            wanted |= used[k];
        if (wanted) {
            if (keep_pack(b, i, dirfd, x, map, err) < 0)
                return -1;
            *(b->linked[i] ? ret_linked : ret_copied) += ref->size;
        } else if (b->linked[i]) {
            char name[BV_PACK_NAME];
            bv_pack_name(ref->generation, name);
            if (unlinkat(dirfd, name, 0) < 0)
                return bv_fail(err, bv_store_code(errno), errno, "cannot remove %s, which is not used", name);
        }
    }
    return 0;
}
