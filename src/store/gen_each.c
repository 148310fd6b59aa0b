/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <signal.h>

#include "store/gen.h"
#include "store/threads.h"

/* Many blocks, decoded by many threads. */

struct walk {
    struct bv_gen *g;
    const uint32_t *order; /* or NULL */
    uint32_t count;
    int (*each)(void *arg, uint32_t block, const uint8_t *raw, struct bv_error *err);
    void *arg;
    pthread_mutex_t lock; /* of all below */
    uint32_t next;
    int failed;
    struct bv_error error;
};

/* The next block, or BV_EXTENT_ZERO. They are given out in order, so that the kernel reads ahead. */
static uint32_t next_block(struct walk *w)
{
    uint32_t block = BV_EXTENT_ZERO;
    pthread_mutex_lock(&w->lock);
    if (!w->failed && w->next < w->count) {
        block = w->order ? w->order[w->next] : w->next;
        w->next++;
    }
    pthread_mutex_unlock(&w->lock);
    return block;
}

static void remember(struct walk *w, const struct bv_error *why)
{
    pthread_mutex_lock(&w->lock);
    if (!w->failed)
        w->error = *why;
    w->failed = 1;
    pthread_mutex_unlock(&w->lock);
}

static void *walk_main(void *arg)
{
    struct walk *w = arg;
    struct bv_decoder decoder;
    bv_decoder_init(&decoder);
    for (;;) {
        struct bv_error err = {0};
        const uint8_t *raw;
        uint32_t i = next_block(w);
        if (i == BV_EXTENT_ZERO)
            break;
        const struct bv_block *b = &w->g->index.blocks[i];
        if (bv_block_load(&decoder, &w->g->packs[b->pack], b, &raw, &err) < 0) {
            bv_wrap(&err, "%s", w->g->what);
            remember(w, &err);
        } else if (w->each && w->each(w->arg, i, raw, &err) < 0) {
            remember(w, &err);
        }
    }
    bv_decoder_free(&decoder);
    return NULL;
}

int bv_gen_each_block(struct bv_gen *g, const uint32_t *order, size_t count, unsigned threads,
                      int (*each)(void *arg, uint32_t block, const uint8_t *raw, struct bv_error *err), void *arg,
                      struct bv_error *err)
{
    struct walk w = {
        .g = g, .order = order, .count = (uint32_t)count, .each = each, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread[BV_THREADS_MAX];
    unsigned started = 0, want = bv_thread_count(threads);
    sigset_t all, before;
    if (want > count)
        want = (unsigned)count;

    /* Signals are for this thread, which does its part. If no other can be had, it does all. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started + 1 < want && pthread_create(&thread[started], NULL, walk_main, &w) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    walk_main(&w);
    while (started)
        pthread_join(thread[--started], NULL);
    if (w.failed && err)
        *err = w.error;
    return w.failed ? -1 : 0;
}
