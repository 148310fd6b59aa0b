/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pipe.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* --- queues and buffers; all with the lock held --- */

static void push_block(struct bv_made_queue *q, struct bv_made *b)
{
    b->next = NULL;
    *q->tail = b;
    q->tail = &b->next;
}

static struct bv_made *pop_block(struct bv_made_queue *q)
{
    struct bv_made *b = q->head;
    if (b && !(q->head = b->next))
        q->tail = &q->head;
    return b;
}

static struct bv_item *pop_item(struct bv_pipe *p)
{
    struct bv_item *item = p->items;
    if (!(p->items = item->next))
        p->items_tail = &p->items;
    if (p->unhashed == item)
        p->unhashed = item->next;
    return item;
}

static int has_buffer(const struct bv_buffers *b)
{
    return b->free_count || b->made < b->limit;
}

static uint8_t *take_buffer(struct bv_buffers *b)
{
    if (b->free_count)
        return b->free[--b->free_count];
    b->made++;
    return bv_realloc(NULL, b->size, 1);
}

static void give_buffer(struct bv_buffers *b, uint8_t *buffer)
{
    if (buffer)
        b->free[b->free_count++] = buffer;
}

static void free_buffers(struct bv_buffers *b)
{
    while (b->free_count)
        free(b->free[--b->free_count]);
}

static void remember(struct bv_pipe *p, const struct bv_error *why)
{
    if (!p->failed)
        p->error = *why;
    p->failed = 1;
    pthread_cond_broadcast(&p->work);
    pthread_cond_broadcast(&p->written);
    pthread_cond_broadcast(&p->idle);
}

/* --- dropping things; without the lock, for `release` is the caller's --- */

static void release(struct bv_slab *slab)
{
    if (slab)
        slab->release(slab->arg, slab);
}

static void drop_item(struct bv_item *item)
{
    release(item->slab);
    free(item->hashes);
    free(item);
}

/* The block is done with. Takes the lock. */
static void drop_block(struct bv_pipe *p, struct bv_made *b)
{
    release(b->slab);
    pthread_mutex_lock(&p->lock);
    if (!b->slab)
        give_buffer(&p->shared, b->raw);
    give_buffer(&p->outs, b->out);
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    free(b);
}

/* --- the work itself; without the lock --- */

static int is_zero(const uint8_t *p, size_t n)
{
    return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static void hash(struct bv_item *item, uint64_t seed)
{
    if (!item->slab)
        return;
    const uint8_t *bytes = item->slab->bytes;
    size_t size = item->slab->size;
    struct bv_hashes *h = bv_realloc(NULL, 1, sizeof(*h));
    for (size_t at = 0, i = 0; at < size; at += BV_PAGE_SIZE, i++) {
        size_t n = size - at < BV_PAGE_SIZE ? size - at : BV_PAGE_SIZE;
        h->zero[i] = (uint8_t)is_zero(bytes + at, n);
        if (!h->zero[i])
            h->digest[i] = bv_digest_page(seed, bytes + at, n);
    }
    item->hashes = h;
}

/* Move the pages that make up the block together, at the begin of the slab. */
static void compact(struct bv_made *b)
{
    size_t to = 0;
    for (size_t i = 0; to < b->size; i++) {
        if (!b->keep[i])
            continue;
        size_t n = b->size - to < BV_PAGE_SIZE ? b->size - to : BV_PAGE_SIZE;
        if (to != i * BV_PAGE_SIZE)
            memcpy(b->raw + to, b->raw + i * BV_PAGE_SIZE, n);
        to += n;
    }
}

static struct bv_digest digest_of(const struct bv_made *b, uint64_t seed)
{
    struct bv_digest pieces[BV_BLOCK_PAGES];
    size_t count = 0;
    if (b->is_paged)
        return bv_digest_of(b->piece, (b->size + BV_PAGE_SIZE - 1) / BV_PAGE_SIZE * sizeof(b->piece[0]));
    for (size_t at = 0; at < b->size; at += BV_PAGE_SIZE)
        pieces[count++] = bv_digest_page(seed, b->raw + at, b->size - at < BV_PAGE_SIZE ? b->size - at : BV_PAGE_SIZE);
    return bv_digest_of(pieces, count * sizeof(*pieces));
}

/* Encode into b->out. What was compressed lets go of its slab. */
static struct bv_slab *encode(struct bv_encoder *e, struct bv_made *b, uint64_t seed)
{
    if (b->slab)
        compact(b);
    struct bv_digest digest = digest_of(b, seed);
    b->out_size = bv_block_encode(e, b->raw, b->size, &digest, b->out, b->header);
    struct bv_slab *done = b->out_size ? b->slab : NULL;
    if (done)
        b->raw = NULL;
    return done;
}

/* --- workers; each do_… is called with the lock held and holds it again when it returns --- */

static void do_encode(struct bv_pipe *p, struct bv_encoder *e)
{
    struct bv_made *b = pop_block(&p->to_encode);
    b->out = take_buffer(&p->outs);
    pthread_mutex_unlock(&p->lock);
    struct bv_slab *done = encode(e, b, p->seed);
    if (done)
        release(done);
    pthread_mutex_lock(&p->lock);
    if (done)
        b->slab = NULL;
    if (!b->out_size) {
        give_buffer(&p->outs, b->out);
        b->out = NULL;
    } else if (!done) {
        give_buffer(&p->shared, b->raw);
        b->raw = NULL;
    }
    push_block(&p->to_write, b);
    pthread_cond_signal(&p->written);
}

static void do_decide(struct bv_pipe *p)
{
    struct bv_error err = {0};
    struct bv_item *item = pop_item(p);
    p->deciding = 1;
    pthread_mutex_unlock(&p->lock);
    int rc = p->stage.decide(p->stage.arg, item, &err);
    drop_item(item);
    pthread_mutex_lock(&p->lock);
    p->deciding = 0;
    if (rc < 0)
        remember(p, &err);
}

static void do_hash(struct bv_pipe *p)
{
    struct bv_item *item = p->unhashed;
    item->state = BV_ITEM_HASHING;
    p->unhashed = item->next;
    pthread_mutex_unlock(&p->lock);
    hash(item, p->seed);
    pthread_mutex_lock(&p->lock);
    item->state = BV_ITEM_HASHED;
}

/* After a failure: let go of one thing. */
static int do_drop(struct bv_pipe *p)
{
    struct bv_made *b = pop_block(&p->to_encode);
    if (!b)
        b = pop_block(&p->to_write);
    struct bv_item *item = !b && p->items && p->items->state != BV_ITEM_HASHING ? pop_item(p) : NULL;
    if (!b && !item)
        return 0;
    pthread_mutex_unlock(&p->lock);
    if (b)
        drop_block(p, b);
    else
        drop_item(item);
    pthread_mutex_lock(&p->lock);
    return 1;
}

enum task { NOTHING, ENCODE, DECIDE, HASH, DROP };

static enum task next_task(const struct bv_pipe *p)
{
    if (p->failed)
        return p->to_encode.head || p->to_write.head || (p->items && p->items->state != BV_ITEM_HASHING) ? DROP
                                                                                                         : NOTHING;
    if (p->held)
        return NOTHING;
    if (p->to_encode.head && has_buffer(&p->outs))
        return ENCODE;
    if (p->items && p->items->state == BV_ITEM_HASHED && !p->deciding && has_buffer(&p->shared))
        return DECIDE;
    return p->unhashed ? HASH : NOTHING;
}

static int is_idle(const struct bv_pipe *p)
{
    return !p->items && !p->to_encode.head && !p->to_write.head && p->busy == 0;
}

static void add_cpu_time(struct bv_pipe *p)
{
    p->cpu_ns += bv_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    struct bv_pipe *p = arg;
    struct bv_encoder encoder;
    bv_encoder_init(&encoder, p->level);
    pthread_mutex_lock(&p->lock);
    for (;;) {
        enum task task = next_task(p);
        if (task == NOTHING && p->ending)
            break;
        if (task == NOTHING) {
            pthread_cond_wait(&p->work, &p->lock);
            continue;
        }
        p->busy++;
        if (task == ENCODE)
            do_encode(p, &encoder);
        else if (task == DECIDE)
            do_decide(p);
        else if (task == HASH)
            do_hash(p);
        else
            do_drop(p);
        p->busy--;
        /* What was done may have made work for another; it in turn wakes the next. */
        if (next_task(p) != NOTHING)
            pthread_cond_signal(&p->work);
        if (is_idle(p))
            pthread_cond_broadcast(&p->idle);
    }
    bv_encoder_free(&encoder);
    add_cpu_time(p);
    return NULL;
}

/* The pack's thread. */
static void *pack_main(void *arg)
{
    struct bv_pipe *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct bv_made *b = p->failed ? NULL : pop_block(&p->to_write);
        if (!b && p->ending)
            break;
        if (!b) {
            pthread_cond_wait(&p->written, &p->lock);
            continue;
        }
        p->busy++;
        pthread_mutex_unlock(&p->lock);
        struct bv_error err = {0};
        int rc = p->stage.write(p->stage.arg, b, &err);
        drop_block(p, b);
        pthread_mutex_lock(&p->lock);
        p->busy--;
        if (rc < 0)
            remember(p, &err);
        if (is_idle(p))
            pthread_cond_broadcast(&p->idle);
    }
    add_cpu_time(p);
    return NULL;
}

/* --- the outside. Lock and conditions stay usable after the threads have ended: they hold no resources. --- */

/* Signals are for the thread that opened the writer. */
static int start_thread(struct bv_pipe *p, void *(*function)(void *))
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&p->thread[p->thread_count], NULL, function, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    p->thread_count += rc == 0;
    return rc;
}

int bv_pipe_start(struct bv_pipe *p, unsigned threads, int level, uint64_t seed, const struct bv_pipe_stage *stage,
                  struct bv_error *err)
{
    *p = (struct bv_pipe){.stage = *stage, .seed = seed, .level = level};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->written, NULL);
    pthread_cond_init(&p->idle, NULL);
    p->items_tail = &p->items;
    p->to_encode.tail = &p->to_encode.head;
    p->to_write.tail = &p->to_write.head;
    p->shared = (struct bv_buffers){.limit = threads + 2, .size = BV_BLOCK_MAX};
    p->outs = (struct bv_buffers){.limit = threads + 4, .size = BV_STORED_ROOM};
    int rc = start_thread(p, pack_main);
    for (unsigned i = 0; rc == 0 && i < threads; i++)
        rc = start_thread(p, worker_main);
    if (rc != 0) {
        bv_pipe_stop(p);
        return bv_fail(err, BV_EINTERNAL, rc, "cannot start a thread");
    }
    return 0;
}

void bv_pipe_put(struct bv_pipe *p, struct bv_item *item)
{
    item->next = NULL;
    pthread_mutex_lock(&p->lock);
    *p->items_tail = item;
    p->items_tail = &item->next;
    if (!p->unhashed)
        p->unhashed = item;
    if (next_task(p) != NOTHING)
        pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void bv_pipe_put_block(struct bv_pipe *p, struct bv_made *b)
{
    pthread_mutex_lock(&p->lock);
    push_block(&p->to_encode, b);
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

uint8_t *bv_pipe_shared_buffer(struct bv_pipe *p)
{
    pthread_mutex_lock(&p->lock);
    uint8_t *buffer = take_buffer(&p->shared);
    pthread_mutex_unlock(&p->lock);
    return buffer;
}

int bv_pipe_check(struct bv_pipe *p, struct bv_error *err)
{
    pthread_mutex_lock(&p->lock);
    int rc = p->failed ? -1 : 0;
    if (rc < 0 && err)
        *err = p->error;
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void bv_pipe_fail(struct bv_pipe *p, const struct bv_error *why)
{
    pthread_mutex_lock(&p->lock);
    remember(p, why);
    pthread_mutex_unlock(&p->lock);
}

void bv_pipe_hold(struct bv_pipe *p, int held)
{
    pthread_mutex_lock(&p->lock);
    p->held = held;
    if (!held)
        pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

int bv_pipe_drain(struct bv_pipe *p, struct bv_error *err)
{
    pthread_mutex_lock(&p->lock);
    while (!is_idle(p) && !p->failed)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return bv_pipe_check(p, err);
}

void bv_pipe_stop(struct bv_pipe *p)
{
    if (p->thread_count == 0)
        return;
    pthread_mutex_lock(&p->lock);
    p->ending = 1;
    if (!is_idle(p))
        remember(p, &(struct bv_error){.code = BV_EINTERNAL, .text = "the writer was closed"});
    pthread_cond_broadcast(&p->work);
    pthread_cond_broadcast(&p->written);
    pthread_mutex_unlock(&p->lock);
    while (p->thread_count)
        pthread_join(p->thread[--p->thread_count], NULL);

    /* A thread that ended early left what became free for dropping later. */
    pthread_mutex_lock(&p->lock);
    while (do_drop(p))
        ;
    pthread_mutex_unlock(&p->lock);
    free_buffers(&p->shared);
    free_buffers(&p->outs);
}
