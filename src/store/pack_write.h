/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <zstd.h>

#include "base/error.h"
#include "store/digest.h"
#include "store/format.h"

/* A pack in the making: bytes go in, are gathered to blocks, compressed and written one after the other.
 * Needs some 4 MiB. All functions below return -1 with errno when a write fails. Private to src/store. */

struct bv_pack_writer {
    int fd;
    uint64_t size;    /* written so far; where the block that is being gathered will begin */
    uint64_t started; /* up to here the kernel was asked to write back */
    uint8_t *raw;     /* the block that is being gathered */
    size_t raw_used;
    uint8_t *stored; /* room for its header and compressed bytes */
    size_t stored_room;
    ZSTD_CCtx *zstd;
    XXH3_state_t *digest; /* of the whole file */
};

/* Create the file, which must not exist, and write its header. */
int bv_pack_begin(struct bv_pack_writer *p, int dirfd, const char *name, unsigned generation, int level);

/* Take as many bytes as the current block has room for, at least one. Returns how many; they will be found in the block
 * at *ret_offset, from *ret_skip of its raw bytes on. */
ssize_t bv_pack_append(struct bv_pack_writer *p, const uint8_t *bytes, size_t size, uint64_t *ret_offset,
                       uint32_t *ret_skip);

/* Write the last block. The file is then complete, not synced. *ret is its digest. */
int bv_pack_flush(struct bv_pack_writer *p, struct bv_digest *ret);
void bv_pack_end(struct bv_pack_writer *p);
