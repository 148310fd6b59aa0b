/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "store/digest.h"
#include "store/format.h"
#include "store/wire.h"

/* The index of a generation in memory: which streams there are, and which bytes of which block make them up.
 * Private to src/store. */

/* A pack that the extents refer to: what generation `generation` was the first to have. Its file is in the directory of
 * this generation, whoever wrote it. */
struct bv_pack_ref {
    unsigned generation;
    uint64_t size;
    struct bv_digest digest; /* of its header and the headers of its blocks */
    uint32_t first, count;   /* of its blocks */
};

/* A block: where it begins in its pack, and how many bytes it has, raw and as stored. They are numbered through all
 * packs. */
struct bv_block {
    uint64_t offset;
    uint32_t raw, stored, pack;
};

/* `length` bytes of a stream: zeros (block == BV_EXTENT_ZERO), or what the block holds from byte `skip` of its raw
 * bytes on. */
struct bv_extent {
    uint64_t length;
    uint32_t block, skip;
};

struct bv_stream {
    char *name;
    uint64_t size;
    size_t first, count; /* of its extents */
};

struct bv_index {
    unsigned generation;
    uint64_t seed; /* of all page digests, here and in the packs */
    struct bv_pack_ref *packs;
    size_t pack_count;
    struct bv_block *blocks; /* of all packs, one after the other, by offset */
    size_t block_count, block_room;
    struct bv_stream *streams;
    size_t stream_count, stream_room;
    struct bv_extent *extents; /* of all streams, one after the other */
    size_t extent_count, extent_room;
    uint64_t page_count;     /* pages of all extents that are not zeros */
    struct bv_digest *pages; /* their digests, in order; NULL in an index that is being made */
    json_t *by_name;         /* stream name -> number */
};

void bv_index_init(struct bv_index *x, unsigned generation);
void bv_index_free(struct bv_index *x);
#define autoindex __attribute__((cleanup(bv_index_free)))

/* May a stream be called so? BV_EUSAGE if not. */
int bv_stream_name_check(const char *name, struct bv_error *err);

/* "pack-000007.bvp" */
void bv_pack_name(unsigned generation, char ret[BV_PACK_NAME]);
int bv_is_pack_name(const char *name, unsigned *ret_generation);

/* Add a pack, and blocks to the pack added last: each begins where the one before ended. */
void bv_index_pack(struct bv_index *x, const struct bv_pack_ref *ref);
void bv_index_block(struct bv_index *x, uint32_t raw, uint32_t stored);

/* Add an empty stream. BV_EUSAGE if the name is taken, bad, or there are too many. */
int bv_index_stream(struct bv_index *x, const char *name, struct bv_error *err);

/* Add extents to stream `i`, after all those of the streams before it. Adjoining ones are merged. */
void bv_index_zeros(struct bv_index *x, size_t i, uint64_t length);
void bv_index_bytes(struct bv_index *x, size_t i, struct bv_extent e);

/* The number of the stream called `name`, or -1. */
ssize_t bv_index_find(const struct bv_index *x, const char *name);

/* Pages that an extent covers; only the last of a stream may be less than a whole one. */
static inline uint64_t bv_page_count(uint64_t length)
{
    return length / BV_PAGE_SIZE + (length % BV_PAGE_SIZE != 0);
}

/* The bytes of the file; those of the page digests only if there are `pages`. */
void bv_index_encode(const struct bv_index *x, struct bv_buffer *out);

/* Read them back; everything is checked that can be without the packs. BV_ECORRUPT. */
int bv_index_parse(const void *bytes, size_t size, struct bv_index *ret, struct bv_error *err);
