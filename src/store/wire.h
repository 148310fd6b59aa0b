/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Little-endian numbers and byte strings, read from and written to memory. No parser of the store does pointer
 * arithmetic of its own. Private to src/store. */

struct bv_reader {
    const uint8_t *at;
    size_t left;
};

/* Each takes its bytes and returns 0, or returns -1 and takes nothing when too few are left. */
static inline int bv_take(struct bv_reader *r, const uint8_t **ret, size_t size)
{
    if (r->left < size)
        return -1;
    *ret = r->at;
    r->at += size;
    r->left -= size;
    return 0;
}

static inline int bv_take_uint(struct bv_reader *r, size_t size, uint64_t *ret)
{
    const uint8_t *p;
    if (bv_take(r, &p, size) < 0)
        return -1;
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | p[i];
    *ret = value;
    return 0;
}

static inline int bv_take_u16(struct bv_reader *r, uint16_t *ret)
{
    uint64_t value;
    if (bv_take_uint(r, sizeof(*ret), &value) < 0)
        return -1;
    *ret = (uint16_t)value;
    return 0;
}

static inline int bv_take_u32(struct bv_reader *r, uint32_t *ret)
{
    uint64_t value;
    if (bv_take_uint(r, sizeof(*ret), &value) < 0)
        return -1;
    *ret = (uint32_t)value;
    return 0;
}

static inline int bv_take_u64(struct bv_reader *r, uint64_t *ret)
{
    return bv_take_uint(r, sizeof(*ret), ret);
}

/* Bytes that grow. Free with free(b.bytes). */
struct bv_buffer {
    uint8_t *bytes;
    size_t size, room;
};

static inline void bv_put(struct bv_buffer *b, const void *bytes, size_t size)
{
    if (b->room - b->size < size) {
        b->room = (b->room + size) * 2;
        b->bytes = (uint8_t *)bv_realloc(b->bytes, b->room, 1);
    }
    if (size)
        memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

static inline void bv_put_uint(struct bv_buffer *b, uint64_t value, size_t size)
{
    uint8_t le[8];
    for (size_t i = 0; i < size; i++, value >>= 8)
        le[i] = (uint8_t)value;
    bv_put(b, le, size);
}

static inline void bv_put_u16(struct bv_buffer *b, uint16_t value)
{
    bv_put_uint(b, value, sizeof(value));
}

static inline void bv_put_u32(struct bv_buffer *b, uint32_t value)
{
    bv_put_uint(b, value, sizeof(value));
}

static inline void bv_put_u64(struct bv_buffer *b, uint64_t value)
{
    bv_put_uint(b, value, sizeof(value));
}

static inline void bv_cleanup_buffer(struct bv_buffer *b)
{
    free(b->bytes);
}
#define autobuffer __attribute__((cleanup(bv_cleanup_buffer)))
