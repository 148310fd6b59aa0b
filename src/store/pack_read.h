/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include <zstd.h>

#include "base/error.h"
#include "store/digest.h"
#include "store/format.h"
#include "store/index.h"

/* Blocks of a pack, verified as they are read. Private to src/store. */

struct bv_block_header {
    uint32_t raw, stored; /* bytes; both > 0 and within bounds */
    enum bv_codec codec;
    struct bv_digest digest; /* of the digests of the pages of the raw bytes */
};

/* The first BV_BLOCK_HEADER bytes of a block. Returns 0, or -1 if they cannot be one. */
int bv_block_header_parse(const uint8_t bytes[BV_BLOCK_HEADER], struct bv_block_header *ret);

/* The first BV_PACK_HEADER bytes of a pack of `generation`. Returns 0 or -1. */
int bv_pack_header_parse(const uint8_t bytes[BV_PACK_HEADER], unsigned generation, uint64_t *ret_seed);

/* The digest of a block: over those of its pages, of which only the last may be less than BV_PAGE_SIZE. */
struct bv_digest bv_block_digest(uint64_t seed, const uint8_t *raw, size_t size);

/* What a thread needs to decode blocks: some 3 MiB. */
struct bv_decoder {
    uint8_t *raw, *shuffled, *stored; /* BV_BLOCK_MAX each, the last and a header */
    ZSTD_DCtx *zstd;
};
void bv_decoder_init(struct bv_decoder *d);
void bv_decoder_free(struct bv_decoder *d);

/* Decode the `h->stored` bytes and compare the digest. *ret is where the raw bytes are, for nobody to trust after a
 * failure: in `d`, or `stored` itself if they were not compressed. Returns 0 or -1. */
int bv_block_decode(struct bv_decoder *d, const struct bv_block_header *h, uint64_t seed, const uint8_t *stored,
                    const uint8_t **ret);

struct bv_pack_reader {
    int fd;
    uint64_t size, seed;
    unsigned generation;
    char name[BV_PACK_NAME];
};

/* Open the pack of that generation in `dirfd`: it must be a regular file of exactly `size` bytes with the right header.
 * Errors: BV_ECORRUPT, BV_EDENIED, BV_ESTORE. */
int bv_pack_open(int dirfd, unsigned generation, uint64_t size, struct bv_pack_reader *ret, struct bv_error *err);
void bv_pack_close(struct bv_pack_reader *p);

/* Read and decode the block that the index says is there. *ret points into `d`, and is valid until its next use.
 * Errors: BV_ECORRUPT (says where). */
int bv_block_load(struct bv_decoder *d, const struct bv_pack_reader *p, const struct bv_block *b, const uint8_t **ret,
                  struct bv_error *err);

/* How to report a failed read of a store file: damage for EIO, so that an earlier generation is tried; else the store.
 */
enum bv_code bv_read_code(int sys_errno);
