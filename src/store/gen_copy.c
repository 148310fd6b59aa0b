/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/gen.h"

/* All streams at once: each block is decoded once, and its bytes go to all places that they belong to. */

/* So many targets are open at the same time. Streams that share a block lie close together. */
#define BATCH 256u

/* A place that some bytes of a block belong to. */
struct place {
    uint64_t at;
    uint32_t stream, skip, length;
};

struct batch {
    struct bv_gen *g;
    size_t first, count;  /* of the streams */
    int fd[BATCH];        /* -1 = left out */
    struct place *places; /* by block */
    size_t *start;        /* of each block's places, and one more */
    uint8_t *wanted;      /* blocks */
};

/* Sort the extents of the streams that have a target by block. */
static void collect_places(struct batch *b)
{
    const struct bv_index *x = &b->g->index;
    b->wanted = bv_alloc(x->block_count);
    b->start = bv_alloc((x->block_count + 2) * sizeof(*b->start));
    for (int pass = 0; pass < 2; pass++) {
        /* First count them one place too high, then put each where the next of its block belongs. */
        for (size_t i = 0; i < b->count; i++) {
            const struct bv_stream *s = &x->streams[b->first + i];
            uint64_t at = 0;
            for (size_t k = s->first; b->fd[i] >= 0 && k < s->first + s->count; at += x->extents[k++].length) {
                const struct bv_extent *e = &x->extents[k];
                if (e->block == BV_EXTENT_ZERO)
                    continue;
                b->wanted[e->block] = 1;
                if (pass == 0)
                    b->start[e->block + 2]++;
                else
                    b->places[b->start[e->block + 1]++] =
                        (struct place){.at = at, .stream = (uint32_t)i, .skip = e->skip, .length = (uint32_t)e->length};
            }
        }
        if (pass == 0) {
            for (size_t i = 1; i < x->block_count + 2; i++)
                b->start[i] += b->start[i - 1];
            b->places = bv_alloc(b->start[x->block_count + 1] * sizeof(*b->places));
        }
    }
}

static int put_block(void *arg, uint32_t block, const uint8_t *raw, struct bv_error *err)
{
    const struct batch *b = arg;
    for (size_t i = b->start[block]; i < b->start[block + 1]; i++) {
        const struct place *p = &b->places[i];
        if (bv_pwrite_full(b->fd[p->stream], raw + p->skip, p->length, (off_t)p->at) < 0)
            return bv_gen_fail_unpack(&b->g->index.streams[b->first + p->stream], b->fd[p->stream], errno, 0, err);
    }
    return 0;
}

static int open_targets(struct batch *b, int (*open_target)(void *arg, const char *name, uint64_t size), void *arg,
                        struct bv_error *err)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct bv_stream *s = &b->g->index.streams[b->first + i];
        b->fd[i] = open_target(arg, s->name, s->size);
        if (b->fd[i] == BV_GEN_SKIP)
            continue;
        if (b->fd[i] < 0)
            return bv_fail(err, bv_store_code(errno), errno, "cannot create a file for %s", s->name);
        if (ftruncate(b->fd[i], (off_t)s->size) < 0)
            return bv_gen_fail_unpack(s, b->fd[i], errno, s->size, err);
    }
    return 0;
}

static void free_batch(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        close_fd(&b->fd[i]);
    free(b->places);
    free(b->start);
    free(b->wanted);
}

int bv_gen_copy_all(struct bv_gen *g, int (*open_target)(void *arg, const char *name, uint64_t size), void *arg,
                    unsigned threads, struct bv_error *err)
{
    int rc = 0;
    for (size_t first = 0; rc == 0 && first < g->index.stream_count; first += BATCH) {
        struct batch b = {.g = g, .first = first, .count = g->index.stream_count - first};
        if (b.count > BATCH)
            b.count = BATCH;
        for (size_t i = 0; i < b.count; i++)
            b.fd[i] = -1;
        rc = open_targets(&b, open_target, arg, err);
        if (rc == 0) {
            collect_places(&b);
            rc = bv_gen_each_block(g, b.wanted, threads, put_block, &b, err);
        }
        free_batch(&b);
    }
    return rc;
}
