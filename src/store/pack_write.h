/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <zstd.h>

#include "base/error.h"
#include "store/digest.h"
#include "store/format.h"

/* A pack in the making: encoded blocks are written one after the other, by one thread. Private to src/store. */

struct bv_pack_writer {
    int fd;
    uint64_t size;        /* written so far */
    uint64_t started;     /* up to here the kernel was asked to write back */
    XXH3_state_t *digest; /* of all headers */
};

/* Create the file, which must not exist, and write its header. The functions here return -1 with errno when a write
 * fails. */
int bv_pack_begin(struct bv_pack_writer *p, int dirfd, const char *name, unsigned generation, uint64_t seed);

/* Append a block. */
int bv_pack_put(struct bv_pack_writer *p, const uint8_t header[BV_BLOCK_HEADER], const void *stored, size_t size);

/* Have the kernel begin to write what it has not been asked to yet. */
void bv_pack_start_writeback(struct bv_pack_writer *p);

/* The file is complete, not synced. *ret is its digest. */
void bv_pack_complete(struct bv_pack_writer *p, struct bv_digest *ret);
void bv_pack_end(struct bv_pack_writer *p);

/* --- encoding, in any thread --- */

/* What a thread needs to encode blocks: some 2 MiB. */
struct bv_encoder {
    ZSTD_CCtx *zstd;
    ZSTD_CCtx *planes; /* for what was shuffled */
    uint8_t *sample, *shuffled;
};
void bv_encoder_init(struct bv_encoder *e, int level);
void bv_encoder_free(struct bv_encoder *e);

#define BV_STORED_ROOM ZSTD_COMPRESSBOUND(BV_BLOCK_MAX)

/* Compress `size` bytes into `out`, of BV_STORED_ROOM bytes, and fill in the header. Returns how many bytes there are,
 * or 0 if the block is to be stored as it is. */
size_t bv_block_encode(struct bv_encoder *e, const uint8_t *raw, size_t size, const struct bv_digest *digest,
                       uint8_t *out, uint8_t header[BV_BLOCK_HEADER]);
