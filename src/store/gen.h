/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/generation.h"
#include "store/index.h"
#include "store/manifest.h"
#include "store/pack_read.h"

/* An open generation, as its readers see it. Private to src/store. */

/* The blocks that were decoded last. A stream that alternates between a few of them decodes each once. */
#define BV_CACHE_BLOCKS 4

struct bv_cached {
    uint8_t *raw;
    uint32_t block; /* BV_EXTENT_ZERO = none */
    uint64_t used;  /* when, by the count of uses */
};

struct bv_gen {
    char what[BV_JOB_ID_MAX + 64]; /* "generation 7 of job J" */
    int dirfd;
    struct bv_manifest manifest;
    struct bv_index index;
    struct bv_pack_reader *packs; /* one for each of the index; fd -1 until opened */
    struct bv_decoder decoder;    /* with the cache, for the functions that run in one thread */
    struct bv_cached cache[BV_CACHE_BLOCKS];
    uint64_t uses;
};

/* The raw bytes of a block, verified; valid until the next call. Errors: BV_ECORRUPT. */
int bv_gen_block(struct bv_gen *g, uint32_t block, const uint8_t **ret, struct bv_error *err);

/* Fail because stream `s` could not be written to `fd`, of which `left` bytes were missing. */
int bv_gen_fail_unpack(const struct bv_stream *s, int fd, int sys_errno, uint64_t left, struct bv_error *err);

/* Decode, by several threads, `count` blocks in this order (NULL = the order of the packs), each once.
 * `each` (may be NULL) gets the raw bytes, from any thread; it returns 0, or -1 with the error filled in. The first
 * error ends it. */
int bv_gen_each_block(struct bv_gen *g, const uint32_t *order, size_t count, unsigned threads,
                      int (*each)(void *arg, uint32_t block, const uint8_t *raw, struct bv_error *err), void *arg,
                      struct bv_error *err);
