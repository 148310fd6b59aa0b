/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/gen_writer.h"

/* A stream that is a file: read into slabs of the writer's own. */

#define SLABS 8u

struct bv_slab_pool {
    pthread_mutex_t lock;
    pthread_cond_t released;
    struct bv_slab slab[SLABS]; /* bytes are allocated when first used */
    struct bv_slab *free[SLABS];
    unsigned free_count;
};

static void release(void *arg, struct bv_slab *slab)
{
    struct bv_slab_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    pool->free[pool->free_count++] = slab;
    pthread_cond_signal(&pool->released);
    pthread_mutex_unlock(&pool->lock);
}

static struct bv_slab_pool *create_pool(void)
{
    struct bv_slab_pool *pool = bv_alloc(sizeof(*pool));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->released, NULL);
    for (; pool->free_count < SLABS; pool->free_count++) {
        struct bv_slab *slab = &pool->slab[pool->free_count];
        *slab = (struct bv_slab){.release = release, .arg = pool};
        pool->free[pool->free_count] = slab;
    }
    return pool;
}

/* All slabs have come back. */
void bv_slab_pool_free(struct bv_slab_pool *pool)
{
    if (!pool)
        return;
    for (unsigned i = 0; i < SLABS; i++)
        free(pool->slab[i].bytes);
    pthread_cond_destroy(&pool->released);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* Wait for a slab; while the writer is held none would come. NULL without memory. */
static struct bv_slab *take_slab(struct bv_gen_writer *w)
{
    struct bv_slab_pool *pool = w->slabs;
    pthread_mutex_lock(&pool->lock);
    if (pool->free_count == 0) {
        pthread_mutex_unlock(&pool->lock);
        bv_gen_writer_go(w);
        pthread_mutex_lock(&pool->lock);
    }
    while (pool->free_count == 0)
        pthread_cond_wait(&pool->released, &pool->lock);
    struct bv_slab *slab = pool->free[--pool->free_count];
    pthread_mutex_unlock(&pool->lock);
    if (!slab->bytes && posix_memalign(&slab->bytes, BV_PAGE_SIZE, BV_SLAB) != 0) {
        slab->bytes = NULL;
        release(pool, slab);
        return NULL;
    }
    return slab;
}

/* The next part [*begin, *end) at or behind `at` that may hold data, in whole pages. Where the file system cannot tell,
 * all of it. */
static void next_data(int fd, uint64_t at, uint64_t size, uint64_t *begin, uint64_t *end)
{
    *begin = at;
    *end = size;
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);
    if (data < 0) {
        if (errno == ENXIO)
            *begin = size;
        return;
    }
    off_t hole = lseek(fd, data, SEEK_HOLE);
    *begin = (uint64_t)data - (uint64_t)data % BV_PAGE_SIZE;
    if (*begin < at)
        *begin = at;
    if (*begin > size)
        *begin = size;
    if (hole > data && (uint64_t)hole < size)
        *end = ((uint64_t)hole + BV_PAGE_SIZE - 1) / BV_PAGE_SIZE * BV_PAGE_SIZE;
    if (*end > size)
        *end = size;
}

static int check_size(int fd, const char *name, uint64_t size, struct bv_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot stat %s", name);
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < size)
        return bv_fail(err, BV_ECHANGED, 0, "%s has %lld bytes, not the %llu expected: it was cut off meanwhile", name,
                       (long long)st.st_size, (unsigned long long)size);
    return 0;
}

static int add_slab(struct bv_gen_out *o, const char *name, int fd, uint64_t at, size_t want, uint64_t size,
                    struct bv_error *err)
{
    struct bv_slab *slab = take_slab(o->w);
    if (!slab)
        return bv_fail(err, BV_EINTERNAL, ENOMEM, "cannot read %s", name);
    ssize_t n = bv_pread_full(fd, slab->bytes, want, (off_t)at);
    if (n == (ssize_t)want) {
        slab->size = want;
        return bv_gen_stream_write(o, slab, err);
    }
    int saved = errno;
    release(o->w->slabs, slab);
    if (n < 0)
        return bv_fail(err, BV_EINTERNAL, saved, "cannot read %s", name);
    return bv_fail(err, BV_ECHANGED, 0, "%s ended at %llu of %llu bytes while it was read", name,
                   (unsigned long long)at + (unsigned long long)n, (unsigned long long)size);
}

static int add_bytes(struct bv_gen_out *o, const char *name, int fd, uint64_t size, struct bv_error *err)
{
    uint64_t begin, end;
    for (uint64_t at = 0; at < size;) {
        next_data(fd, at, size, &begin, &end);
        bv_gen_out_zeros(o, begin - at);
        for (at = begin; at < end;) {
            size_t want = end - at < BV_SLAB ? (size_t)(end - at) : BV_SLAB;
            if (add_slab(o, name, fd, at, want, size, err) < 0)
                return -1;
            at += want;
        }
    }
    /* A hole that was "found" behind the new end of a file that shrank meanwhile is none. */
    return check_size(fd, name, size, err);
}

int bv_gen_writer_add(struct bv_gen_writer *w, const char *name, int fd, uint64_t size, struct bv_error *err)
{
    struct bv_gen_out *o;
    struct bv_error why = {0};
    if (size > BV_SIZE_LIMIT)
        return bv_fail(err, BV_EINTERNAL, 0, "stream %s is impossibly large", name);
    if (!w->slabs)
        w->slabs = create_pool();
    if (bv_gen_stream_begin(w, name, &o, err) < 0)
        return -1;
    bv_gen_announce(w, size);
    if (check_size(fd, name, size, &why) < 0 || add_bytes(o, name, fd, size, &why) < 0) {
        bv_pipe_fail(&w->pipe, &why);
        bv_gen_stream_end(o, NULL);
        if (err)
            *err = why;
        return -1;
    }
    return bv_gen_stream_end(o, err);
}
