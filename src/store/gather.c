/* SPDX-License-Identifier: Apache-2.0 */
#include "store/gather.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/format.h"

#define CHUNK  BV_BLOCK_MAX
#define DIRECT (CHUNK / 4) /* pieces of this size are written as they are */

/* A part of a file. */
struct chunk {
    uint64_t left;  /* bytes that are expected and not here yet */
    uint8_t *bytes; /* NULL = none is here */
    uint8_t has[CHUNK / BV_PAGE_SIZE];
};

struct file {
    int fd;
    uint64_t size;
    struct chunk *chunks;
};

struct bv_gather {
    pthread_mutex_t lock; /* of all below; what is copied into a chunk is so without */
    struct file *files;
    size_t count;
    uint8_t **free; /* buffers */
    size_t free_count, made, limit;
};

struct bv_gather *bv_gather_new(const int *fds, const uint64_t *sizes, size_t count, uint64_t memory)
{
    struct bv_gather *g = bv_alloc(sizeof(*g));
    pthread_mutex_init(&g->lock, NULL);
    g->files = bv_alloc(count * sizeof(*g->files));
    g->count = count;
    g->limit = (size_t)(memory / CHUNK);
    g->free = bv_alloc(g->limit * sizeof(*g->free));
    for (size_t i = 0; i < count; i++)
        g->files[i] = (struct file){.fd = fds[i], .size = sizes[i]};
    return g;
}

static size_t chunk_count(const struct file *f)
{
    return (size_t)((f->size + CHUNK - 1) / CHUNK);
}

void bv_gather_free(struct bv_gather *g)
{
    for (size_t i = 0; i < g->count; i++) {
        for (size_t k = 0; g->files[i].chunks && k < chunk_count(&g->files[i]); k++)
            free(g->files[i].chunks[k].bytes);
        free(g->files[i].chunks);
    }
    while (g->free_count)
        free(g->free[--g->free_count]);
    free(g->free);
    free(g->files);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

void bv_gather_expect(struct bv_gather *g, size_t file, uint64_t at, uint64_t length)
{
    struct file *f = &g->files[file];
    if (length >= DIRECT)
        return;
    if (!f->chunks)
        f->chunks = bv_alloc(chunk_count(f) * sizeof(*f->chunks));
    for (uint64_t n; length; at += n, length -= n) {
        n = CHUNK - at % CHUNK < length ? CHUNK - at % CHUNK : length;
        f->chunks[at / CHUNK].left += n;
    }
}

/* With the lock held. Leaves the chunk without a buffer if there are too many. */
static void have_buffer(struct bv_gather *g, struct chunk *c)
{
    if (c->bytes)
        return;
    if (g->free_count) {
        c->bytes = g->free[--g->free_count];
    } else if (g->made < g->limit) {
        c->bytes = bv_realloc(NULL, CHUNK, 1);
        g->made++;
    }
}

/* Write what has come, each run of pages at once. */
static int flush(const struct file *f, uint64_t begin, const struct chunk *c)
{
    const size_t pages = CHUNK / BV_PAGE_SIZE;
    for (size_t i = 0; i < pages; i++) {
        size_t first = i;
        while (i < pages && c->has[i])
            i++;
        uint64_t from = begin + first * BV_PAGE_SIZE, to = begin + i * BV_PAGE_SIZE;
        if (to > f->size)
            to = f->size;
        if (i > first && bv_pwrite_full(f->fd, c->bytes + first * BV_PAGE_SIZE, to - from, (off_t)from) < 0)
            return -1;
    }
    return 0;
}

/* A piece that lies in one chunk. */
static int put_part(struct bv_gather *g, const struct file *f, uint64_t at, const uint8_t *bytes, uint64_t length)
{
    struct chunk *c = &f->chunks[at / CHUNK];
    uint64_t within = at % CHUNK;
    int rc = 0;
    pthread_mutex_lock(&g->lock);
    have_buffer(g, c);
    uint8_t *buffer = c->bytes;
    pthread_mutex_unlock(&g->lock);

    /* The buffer stays: this piece is still expected. */
    if (buffer)
        memcpy(buffer + within, bytes, length);
    else
        rc = bv_pwrite_full(f->fd, bytes, length, (off_t)at);

    pthread_mutex_lock(&g->lock);
    if (buffer)
        memset(c->has + within / BV_PAGE_SIZE, 1, (length + BV_PAGE_SIZE - 1) / BV_PAGE_SIZE);
    c->left -= length;
    int complete = c->left == 0 && c->bytes;
    pthread_mutex_unlock(&g->lock);
    if (!complete)
        return rc;

    if (rc == 0)
        rc = flush(f, at - within, c);
    pthread_mutex_lock(&g->lock);
    g->free[g->free_count++] = c->bytes;
    c->bytes = NULL;
    pthread_mutex_unlock(&g->lock);
    return rc;
}

int bv_gather_put(struct bv_gather *g, size_t file, uint64_t at, const uint8_t *bytes, uint64_t length)
{
    const struct file *f = &g->files[file];
    if (length >= DIRECT)
        return bv_pwrite_full(f->fd, bytes, length, (off_t)at);
    for (uint64_t n; length; at += n, bytes += n, length -= n) {
        n = CHUNK - at % CHUNK < length ? CHUNK - at % CHUNK : length;
        if (put_part(g, f, at, bytes, n) < 0)
            return -1;
    }
    return 0;
}
