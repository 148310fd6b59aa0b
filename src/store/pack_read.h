/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include <zstd.h>

#include "base/error.h"
#include "store/digest.h"
#include "store/format.h"

/* Blocks of a pack, verified as they are read. Private to src/store. */

struct bv_block_header {
    uint32_t raw, stored; /* bytes; both > 0 and within bounds */
    enum bv_codec codec;
    struct bv_digest digest; /* of the raw bytes */
};

/* The first BV_BLOCK_HEADER bytes of a block. Returns 0, or -1 if they cannot be one. */
int bv_block_header_parse(const uint8_t bytes[BV_BLOCK_HEADER], struct bv_block_header *ret);

/* The first BV_PACK_HEADER bytes of a pack of `generation`. Returns 0 or -1. */
int bv_pack_header_parse(const uint8_t bytes[BV_PACK_HEADER], unsigned generation);

/* Decode the `h->stored` bytes into `raw`, of BV_BLOCK_MAX bytes, and compare the digest. Returns 0 or -1. */
int bv_block_decode(ZSTD_DCtx *zstd, const struct bv_block_header *h, const uint8_t *stored, uint8_t *raw);

struct bv_pack_reader {
    int fd;
    uint64_t size;
    unsigned generation;
    char name[16];
};

/* Open the pack below the directory of its generation: it must be a regular file of exactly `size` bytes with the right
 * header. Errors: BV_ECORRUPT, BV_EDENIED, BV_ESTORE. */
int bv_pack_open(int dirfd, const char *name, unsigned generation, uint64_t size, struct bv_pack_reader *ret,
                 struct bv_error *err);
void bv_pack_close(struct bv_pack_reader *p);

/* One decoded block, and what is needed to decode the next: some 2 MiB. */
struct bv_block_buffer {
    uint8_t *raw, *stored;
    ZSTD_DCtx *zstd;
    const struct bv_pack_reader *pack; /* which block `raw` holds; NULL = none */
    uint64_t offset;
    struct bv_block_header header;
};
void bv_block_buffer_init(struct bv_block_buffer *b);
void bv_block_buffer_free(struct bv_block_buffer *b);

/* Have the block at `offset` in `b`; free of charge if it is there already. With `whole`, header and stored bytes are
 * also added to that digest. Errors: BV_ECORRUPT (says where). */
int bv_block_load(struct bv_block_buffer *b, const struct bv_pack_reader *p, uint64_t offset, XXH3_state_t *whole,
                  struct bv_error *err);

/* How to report a failed read of a store file: damage for EIO, so that an earlier generation is tried; else the store.
 */
enum bv_code bv_read_code(int sys_errno);
