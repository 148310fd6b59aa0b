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

/* A pack that the extents refer to: of this generation, or of an earlier one of the same job. */
struct bv_pack_ref {
    unsigned generation;
    char name[16]; /* "pack-0.bvp" */
    uint64_t size;
    struct bv_digest digest;
};

/* `length` bytes of a stream: zeros (pack == BV_EXTENT_ZERO), or what the block at `offset` of the pack holds from byte
 * `skip` of its raw bytes on. */
struct bv_extent {
    uint64_t length, offset;
    uint32_t pack, skip;
};

struct bv_stream {
    char *name;
    uint64_t size;
    size_t first, count; /* of its extents */
};

struct bv_index {
    unsigned generation;
    struct bv_pack_ref *packs;
    size_t pack_count;
    struct bv_stream *streams;
    size_t stream_count, stream_room;
    struct bv_extent *extents; /* of all streams, one after the other */
    size_t extent_count, extent_room;
    json_t *by_name; /* stream name -> number */
};

void bv_index_init(struct bv_index *x, unsigned generation);
void bv_index_free(struct bv_index *x);
#define autoindex __attribute__((cleanup(bv_index_free)))

/* May a stream be called so? BV_EUSAGE if not. */
int bv_stream_name_check(const char *name, struct bv_error *err);

/* "pack-N.bvp", N canonical? */
int bv_is_pack_name(const char *name);

/* Add an empty stream, and extents to the stream added last: adjoining ones are merged.
 * BV_EUSAGE if the name is taken, bad, or there are too many. */
int bv_index_stream(struct bv_index *x, const char *name, struct bv_error *err);
void bv_index_zeros(struct bv_index *x, uint64_t length);
void bv_index_bytes(struct bv_index *x, struct bv_extent e);

/* The number of the stream called `name`, or -1. */
ssize_t bv_index_find(const struct bv_index *x, const char *name);

/* The bytes of the file. */
void bv_index_encode(const struct bv_index *x, struct bv_buffer *out);

/* Read them back; everything is checked that can be without the packs. BV_ECORRUPT. */
int bv_index_parse(const void *bytes, size_t size, struct bv_index *ret, struct bv_error *err);
