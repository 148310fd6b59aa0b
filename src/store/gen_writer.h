/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/base.h"
#include "store/generation.h"
#include "store/index.h"
#include "store/layout.h"
#include "store/pages.h"
#include "store/pipe.h"

/* A generation that is being written, as the parts of its writer see it. Private to src/store. */

/* As a bv_extent, with numbers of blocks as the writer counts them (those of the base, then new ones), and the page it
 * begins with, from which on pages are numbered without gaps. */
struct bv_out_extent {
    uint64_t length;
    uint32_t block, skip, page;
};

struct bv_gen_out {
    struct bv_gen_writer *w;
    size_t number; /* in the index */
    uint64_t put;  /* bytes that were queued */
    int ended;
    /* Of the decisions: */
    uint32_t place; /* the page that is expected next, or BV_PAGE_NONE */
    struct bv_out_extent *extents;
    size_t count, room;
};

/* A block as it was written. */
struct bv_written {
    uint32_t number, raw, stored;
};

struct bv_slab_pool; /* of bv_gen_writer_add() */

struct bv_gen_writer {
    int jobfd; /* a duplicate */
    int dirfd; /* the uncommitted directory */
    char job[BV_JOB_ID_MAX + 1];
    char what[BV_JOB_ID_MAX + 64]; /* "writing generation 7 of job J" */
    char pack_name[BV_PACK_NAME];
    unsigned generation, attempt;
    int finished;
    int64_t began_ns; /* 0 = not yet */
    struct bv_pipe pipe;
    struct bv_slab_pool *slabs;
    struct bv_index index; /* until finish only the names of the streams, and their number */
    struct bv_gen_out **outs;
    size_t out_room;

    /* Of the decisions: */
    struct bv_base base;
    struct bv_pages pages;
    struct bv_made *shared; /* the block that small pieces are gathered in, or NULL */
    uint32_t block_count;   /* new blocks */
    uint64_t zero_bytes, same_bytes, new_bytes;

    /* Of the pack's thread: */
    struct bv_pack_writer pack;
    struct bv_written *written;
    size_t written_count, written_room;

    /* With the pipe's lock: raw bytes that were announced, and those that are in the pack or need not be. */
    uint64_t put, announced, done;
    uint64_t streams; /* that were ended */
};

/* The two stages that the pipe calls; `arg` is the writer. */
int bv_gen_decide(void *arg, struct bv_item *item, struct bv_error *err);
int bv_gen_write_block(void *arg, const struct bv_made *b, struct bv_error *err);

/* Queue what is still being gathered. Once all items are decided. */
void bv_gen_seal(struct bv_gen_writer *w);

/* At least `bytes` raw bytes more are to come than were put so far. */
void bv_gen_announce(struct bv_gen_writer *w, uint64_t bytes);

/* Count raw bytes for which nothing is left to do. */
void bv_gen_count_done(struct bv_gen_writer *w, uint64_t bytes);

/* A failed write: say how much room was missing. */
int bv_gen_no_room(struct bv_gen_writer *w, int sys_errno, struct bv_error *err);

/* Queue `length` zeros, whole pages unless they end the stream. */
void bv_gen_out_zeros(struct bv_gen_out *o, uint64_t length);

/* BV_EINTERNAL if the writer has failed or is finished. */
int bv_gen_check(struct bv_gen_writer *w, struct bv_error *err);

void bv_slab_pool_free(struct bv_slab_pool *pool);

/* Make the index from what was decided, and write it, synced, and the manifest. */
int bv_gen_write_files(struct bv_gen_writer *w, const json_t *content, struct bv_gen_stats *stats,
                       struct bv_error *err);
