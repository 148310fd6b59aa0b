/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/gather.h"
#include "store/gen.h"

/* All streams at once: each block is decoded once, and its bytes go to all places that they belong to. */

/* So many targets are open at the same time. Streams that share a block lie close together. */
#define BATCH 256u

/* What waits to be written together. Blocks come by where their first bytes belong, so that a part of a file is soon
 * complete; this is enough for blocks of which each tenth page is from one place. */
#define GATHER_MEMORY (64ull << 20)

/* A place that some bytes of a block belong to. */
struct place {
    uint64_t at;
    uint32_t stream, skip, length;
};

struct batch {
    struct bv_gen *g;
    size_t first, count;                 /* of the streams */
    int fd[BATCH];                       /* -1 = left out */
    const struct bv_ranges *cuts[BATCH]; /* or NULL */
    uint64_t size[BATCH];                /* without what is cut */
    struct place *places;                /* by block */
    size_t *start;                       /* of each block's places, and one more */
    uint32_t *order;                     /* the blocks that are wanted, in the order of their first places */
    size_t order_count;
    struct bv_gather *gather;
};

/* Call `each` for all extents of the streams that have a target, with where their bytes belong. Zeros are left out. A
 * cut that is not in zeros is the caller's mistake. */
static int each_extent(struct batch *b, void (*each)(struct batch *b, const struct bv_extent *e, const struct place *p))
{
    const struct bv_index *x = &b->g->index;
    for (size_t i = 0; i < b->count; i++) {
        const struct bv_stream *s = &x->streams[b->first + i];
        const struct bv_ranges *cuts = b->cuts[i];
        uint64_t at = 0, cut = 0;
        size_t next = 0;
        for (size_t k = s->first; b->fd[i] >= 0 && k < s->first + s->count; at += x->extents[k++].length) {
            const struct bv_extent *e = &x->extents[k];
            if (e->block == BV_EXTENT_ZERO)
                continue;
            for (; cuts && next < cuts->count && cuts->range[next].at < at; next++)
                cut += cuts->range[next].length;
            if ((next && cuts->range[next - 1].at + cuts->range[next - 1].length > at) ||
                (cuts && next < cuts->count && cuts->range[next].at < at + e->length))
                return -1;
            struct place p = {.at = at - cut, .stream = (uint32_t)i, .skip = e->skip, .length = (uint32_t)e->length};
            each(b, e, &p);
        }
    }
    return 0;
}

static void count_place(struct batch *b, const struct bv_extent *e, const struct place *p)
{
    if (b->start[e->block + 2]++ == 0)
        b->order[b->order_count++] = e->block;
    bv_gather_expect(b->gather, p->stream, p->at, p->length);
}

static void put_place(struct batch *b, const struct bv_extent *e, const struct place *p)
{
    b->places[b->start[e->block + 1]++] = *p;
}

/* Sort the extents by block: first count them one place too high, then put each where the next of its block belongs. */
static int collect_places(struct batch *b)
{
    size_t blocks = b->g->index.block_count;
    b->order = bv_alloc(blocks * sizeof(*b->order));
    b->start = bv_alloc((blocks + 2) * sizeof(*b->start));
    b->gather = bv_gather_new(b->fd, b->size, b->count, GATHER_MEMORY);
    if (each_extent(b, count_place) < 0)
        return -1;
    for (size_t i = 1; i < blocks + 2; i++)
        b->start[i] += b->start[i - 1];
    b->places = bv_alloc(b->start[blocks + 1] * sizeof(*b->places));
    return each_extent(b, put_place);
}

static int put_block(void *arg, uint32_t block, const uint8_t *raw, struct bv_error *err)
{
    const struct batch *b = arg;
    for (size_t i = b->start[block]; i < b->start[block + 1]; i++) {
        const struct place *p = &b->places[i];
        if (bv_gather_put(b->gather, p->stream, p->at, raw + p->skip, p->length) < 0)
            return bv_gen_fail_unpack(&b->g->index.streams[b->first + p->stream], b->fd[p->stream], errno, 0, err);
    }
    return 0;
}

static int open_targets(struct batch *b, const struct bv_gen_copy *how, struct bv_error *err)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct bv_stream *s = &b->g->index.streams[b->first + i];
        b->fd[i] = how->open_target(how->arg, s->name, s->size, &b->cuts[i]);
        if (b->fd[i] == BV_GEN_SKIP)
            continue;
        if (b->fd[i] < 0)
            return bv_fail(err, bv_store_code(errno), errno, "cannot create a file for %s", s->name);
        b->size[i] = s->size;
        for (size_t k = 0; b->cuts[i] && k < b->cuts[i]->count; k++)
            b->size[i] -= b->cuts[i]->range[k].length;
        if (ftruncate(b->fd[i], (off_t)b->size[i]) < 0)
            return bv_gen_fail_unpack(s, b->fd[i], errno, b->size[i], err);
    }
    return 0;
}

static void free_batch(struct batch *b)
{
    if (b->gather)
        bv_gather_free(b->gather);
    for (size_t i = 0; i < b->count; i++)
        close_fd(&b->fd[i]);
    free(b->places);
    free(b->start);
    free(b->order);
}

int bv_gen_copy_all(struct bv_gen *g, const struct bv_gen_copy *how, struct bv_error *err)
{
    int rc = 0;
    for (size_t first = 0; rc == 0 && first < g->index.stream_count; first += BATCH) {
        struct batch b = {.g = g, .first = first, .count = g->index.stream_count - first};
        if (b.count > BATCH)
            b.count = BATCH;
        for (size_t i = 0; i < b.count; i++)
            b.fd[i] = -1;
        rc = open_targets(&b, how, err);
        if (rc == 0 && collect_places(&b) < 0)
            rc = bv_fail(err, BV_EINTERNAL, 0, "%s: bytes that are needed were to be left out", g->what);
        if (rc == 0)
            rc = bv_gen_each_block(g, b.order, b.order_count, how->threads, put_block, &b, err);
        free_batch(&b);
    }
    return rc;
}

void bv_gen_zeros(const struct bv_gen *g, size_t i, struct bv_ranges *ret)
{
    const struct bv_stream *s = &g->index.streams[i];
    uint64_t at = 0;
    *ret = (struct bv_ranges){0};
    for (size_t k = s->first; k < s->first + s->count; at += g->index.extents[k++].length)
        if (g->index.extents[k].block == BV_EXTENT_ZERO)
            bv_ranges_add(ret, at, g->index.extents[k].length);
}
