/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "store/generation.h"
#include "store/pack_write.h"
#include "store/threads.h"

/* The writer's assembly line. Private to src/store.
 *
 *     items    slabs in the order they came. Any worker hashes any of them; whoever finds the oldest one hashed takes
 *              the decision what of it is new, one worker at a time, so that decisions are taken in order.
 *     blocks   what is new, gathered. Any worker encodes any of them.
 *     encoded  written to the pack by one thread, in the order they are ready.
 *
 * Nothing grows without limit: slabs are limited by whoever has them, the buffers of shared blocks and of encoded ones
 * by their count. A worker prefers what frees memory: to encode, then to decide, then to hash. */

/* A slab that is less new than this goes, with others, into a shared block, so that it need not be kept until there are
 * more. */
#define BV_OWN_BLOCK_MIN (256u << 10)

struct bv_gen_out;

struct bv_hashes {
    struct bv_digest digest[BV_BLOCK_PAGES];
    uint8_t zero[BV_BLOCK_PAGES];
};

enum bv_item_state { BV_ITEM_QUEUED, BV_ITEM_HASHING, BV_ITEM_HASHED };

struct bv_item {
    struct bv_item *next;
    struct bv_gen_out *out;
    struct bv_slab *slab; /* NULL: a hole */
    uint64_t zeros;       /* its length */
    enum bv_item_state state;
    struct bv_hashes *hashes; /* once hashed */
};

/* A block that is being made. Its raw bytes are in a slab, or in a buffer of its own that many share. */
struct bv_made {
    struct bv_made *next;
    uint32_t number; /* among the new blocks, in the order of the decisions */
    size_t size;     /* raw bytes */
    uint8_t *raw;
    struct bv_slab *slab;
    uint8_t keep[BV_BLOCK_PAGES]; /* of the slab: the pages that make up the block, not moved together yet */
    int is_paged;                 /* piece[] holds the digests of its pages */
    struct bv_digest piece[BV_BLOCK_PAGES];
    uint8_t header[BV_BLOCK_HEADER];
    uint8_t *out; /* the encoded bytes, or NULL: to be stored as it is */
    size_t out_size;
};

struct bv_made_queue {
    struct bv_made *head, **tail;
};

/* Buffers of one size, of which there are `limit` at most. */
struct bv_buffers {
    uint8_t *free[BV_BLOCK_PAGES];
    unsigned free_count, made, limit;
    size_t size;
};

struct bv_pipe_stage {
    /* Take the decision about a hashed item: only one at a time is called, in order. */
    int (*decide)(void *arg, struct bv_item *item, struct bv_error *err);
    /* Write an encoded block: only called by the pack's thread. */
    int (*write)(void *arg, const struct bv_made *b, struct bv_error *err);
    void *arg;
};

struct bv_pipe {
    pthread_mutex_t lock;
    pthread_cond_t work, written, idle;
    struct bv_pipe_stage stage;
    uint64_t seed;
    int level;
    int held, ending, failed, deciding;
    unsigned busy;         /* threads that have something in hand */
    struct bv_error error; /* the first, once failed */
    struct bv_item *items, **items_tail, *unhashed;
    struct bv_made_queue to_encode, to_write;
    struct bv_buffers shared, outs;
    pthread_t thread[BV_THREADS_MAX + 1];
    unsigned thread_count;
    int64_t cpu_ns;
};

/* Start `threads` workers and the pack's thread. */
int bv_pipe_start(struct bv_pipe *p, unsigned threads, int level, uint64_t seed, const struct bv_pipe_stage *stage,
                  struct bv_error *err);

/* Queue an item, which becomes the pipe's. */
void bv_pipe_put(struct bv_pipe *p, struct bv_item *item);

/* From decide(): queue a block, which becomes the pipe's; have a buffer for a shared one. There is always one for each
 * call of decide(). */
void bv_pipe_put_block(struct bv_pipe *p, struct bv_made *b);
uint8_t *bv_pipe_shared_buffer(struct bv_pipe *p);

/* -1 and the error if a thread has failed. */
int bv_pipe_check(struct bv_pipe *p, struct bv_error *err);
void bv_pipe_fail(struct bv_pipe *p, const struct bv_error *why);

void bv_pipe_hold(struct bv_pipe *p, int held);

/* Wait until all that was put is written. */
int bv_pipe_drain(struct bv_pipe *p, struct bv_error *err);

/* End the threads; what is not written is dropped, and its slabs released. Does nothing if there are none. */
void bv_pipe_stop(struct bv_pipe *p);
