/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

void bv_index_init(struct bv_index *x, unsigned generation)
{
    *x = (struct bv_index){.generation = generation, .by_name = json_object()};
}

void bv_index_free(struct bv_index *x)
{
    for (size_t i = 0; i < x->stream_count; i++)
        free(x->streams[i].name);
    free(x->packs);
    free(x->blocks);
    free(x->pages);
    free(x->streams);
    free(x->extents);
    json_decref(x->by_name);
    *x = (struct bv_index){0};
}

/* Relative, no empty, "." or ".." component: the job room may use the name as a path below a directory of its own. */
static int is_clean(const char *name)
{
    for (const char *p = name;; p++) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return 0;
        p += n;
        if (*p == '\0')
            return 1;
    }
}

int bv_stream_name_check(const char *name, struct bv_error *err)
{
    size_t n = strnlen(name, BV_STREAM_NAME_MAX + 1);
    if (n == 0 || n > BV_STREAM_NAME_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "the name of a stream has 1 to %u bytes", BV_STREAM_NAME_MAX);
    for (size_t i = 0; i < n; i++)
        if (name[i] < 0x20 || name[i] > 0x7e)
            return bv_fail(err, BV_EUSAGE, 0, "the name of a stream has a byte that is no printable ASCII");
    if (!is_clean(name))
        return bv_fail(err, BV_EUSAGE, 0, "the name of a stream, '%s', is no clean relative path", name);
    return 0;
}

void bv_pack_name(unsigned generation, char ret[BV_PACK_NAME])
{
    snprintf(ret, BV_PACK_NAME, "pack-%06u.bvp", generation);
}

int bv_is_pack_name(const char *name, unsigned *ret_generation)
{
    char again[BV_PACK_NAME];
    unsigned generation = 0;
    if (sscanf(name, "pack-%6u", &generation) != 1 || generation == 0)
        return 0;
    bv_pack_name(generation, again);
    if (strcmp(again, name) != 0)
        return 0;
    *ret_generation = generation;
    return 1;
}

void bv_index_pack(struct bv_index *x, const struct bv_pack_ref *ref)
{
    x->packs = bv_realloc(x->packs, x->pack_count + 1, sizeof(*x->packs));
    x->packs[x->pack_count] = *ref;
    x->packs[x->pack_count].first = (uint32_t)x->block_count;
    x->packs[x->pack_count].count = 0;
    x->pack_count++;
}

/* Behind the last byte of the last block of the pack that was added last. */
static uint64_t end_of_blocks(const struct bv_index *x)
{
    const struct bv_pack_ref *p = &x->packs[x->pack_count - 1];
    if (p->count == 0)
        return BV_PACK_HEADER;
    const struct bv_block *last = &x->blocks[x->block_count - 1];
    return last->offset + BV_BLOCK_HEADER + last->stored;
}

void bv_index_block(struct bv_index *x, uint32_t raw, uint32_t stored)
{
    if (x->block_count == x->block_room) {
        x->block_room = x->block_room ? x->block_room * 2 : 256;
        x->blocks = bv_realloc(x->blocks, x->block_room, sizeof(*x->blocks));
    }
    struct bv_block b = {.raw = raw, .stored = stored, .pack = (uint32_t)x->pack_count - 1};
    b.offset = end_of_blocks(x);
    x->blocks[x->block_count++] = b;
    x->packs[x->pack_count - 1].count++;
}

int bv_index_stream(struct bv_index *x, const char *name, struct bv_error *err)
{
    if (bv_stream_name_check(name, err) < 0)
        return -1;
    if (json_object_get(x->by_name, name))
        return bv_fail(err, BV_EUSAGE, 0, "the stream %s is there twice", name);
    if (x->stream_count == BV_STREAMS_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "there are more than %u streams", BV_STREAMS_MAX);
    if (x->stream_count == x->stream_room) {
        x->stream_room = x->stream_room ? x->stream_room * 2 : 64;
        x->streams = bv_realloc(x->streams, x->stream_room, sizeof(*x->streams));
    }
    bv_json_set(x->by_name, name, json_integer((json_int_t)x->stream_count));
    x->streams[x->stream_count++] = (struct bv_stream){.name = bv_strdup(name), .first = x->extent_count};
    return 0;
}

static void push(struct bv_index *x, size_t i, struct bv_extent e)
{
    struct bv_stream *s = &x->streams[i];
    if (x->extent_count == x->extent_room) {
        x->extent_room = x->extent_room ? x->extent_room * 2 : 256;
        x->extents = bv_realloc(x->extents, x->extent_room, sizeof(*x->extents));
    }
    if (s->count++ == 0)
        s->first = x->extent_count;
    x->extents[x->extent_count++] = e;
}

void bv_index_zeros(struct bv_index *x, size_t i, uint64_t length)
{
    struct bv_stream *s = &x->streams[i];
    struct bv_extent *last = s->count ? &x->extents[x->extent_count - 1] : NULL;
    if (length == 0)
        return;
    s->size += length;
    if (last && last->block == BV_EXTENT_ZERO)
        last->length += length;
    else
        push(x, i, (struct bv_extent){.length = length, .block = BV_EXTENT_ZERO});
}

void bv_index_bytes(struct bv_index *x, size_t i, struct bv_extent e)
{
    struct bv_stream *s = &x->streams[i];
    struct bv_extent *last = s->count ? &x->extents[x->extent_count - 1] : NULL;
    s->size += e.length;
    x->page_count += bv_page_count(e.length);
    if (last && last->block == e.block && last->skip + last->length == e.skip)
        last->length += e.length;
    else
        push(x, i, e);
}

ssize_t bv_index_find(const struct bv_index *x, const char *name)
{
    const json_t *number = json_object_get(x->by_name, name);
    return number ? (ssize_t)json_integer_value(number) : -1;
}

/* --- the bytes: doc/format/generation.md --- */

static void put_name(struct bv_buffer *out, const char *name)
{
    size_t n = strlen(name);
    bv_put_u16(out, (uint16_t)n);
    bv_put(out, name, n);
}

static void put_blocks(struct bv_buffer *out, const struct bv_index *x, const struct bv_pack_ref *p)
{
    bv_put_u32(out, p->count);
    for (uint32_t i = p->first; i < p->first + p->count; i++) {
        bv_put_u32(out, x->blocks[i].raw);
        bv_put_u32(out, x->blocks[i].stored);
    }
}

void bv_index_encode(const struct bv_index *x, struct bv_buffer *out)
{
    bv_put(out, BV_INDEX_MAGIC, 8);
    bv_put_u32(out, x->generation);
    bv_put_u32(out, (uint32_t)x->pack_count);
    bv_put_u32(out, (uint32_t)x->stream_count);
    bv_put_u32(out, 0);
    bv_put_u64(out, x->seed);
    for (size_t i = 0; i < x->pack_count; i++) {
        const struct bv_pack_ref *p = &x->packs[i];
        bv_put_u32(out, p->generation);
        bv_put_u64(out, p->size);
        bv_put(out, p->digest.bytes, sizeof(p->digest.bytes));
        put_blocks(out, x, p);
    }
    for (size_t i = 0; i < x->stream_count; i++) {
        const struct bv_stream *s = &x->streams[i];
        put_name(out, s->name);
        bv_put_u64(out, s->size);
        bv_put_u32(out, (uint32_t)s->count);
        for (size_t k = s->first; k < s->first + s->count; k++) {
            const struct bv_extent *e = &x->extents[k];
            bv_put_u32(out, e->block);
            bv_put_u32(out, e->skip);
            bv_put_u64(out, e->length);
        }
    }
    if (x->pages)
        bv_put(out, x->pages, x->page_count * sizeof(*x->pages));
}

static int truncated(struct bv_error *err)
{
    return bv_fail(err, BV_ECORRUPT, 0, "the index ends too early");
}

/* A name into `ret`, a buffer of `room` bytes. A NUL in it is refused: it would hide what follows. */
static int take_name(struct bv_reader *r, char *ret, size_t room, struct bv_error *err)
{
    uint16_t n;
    const uint8_t *bytes;
    if (bv_take_u16(r, &n) < 0 || bv_take(r, &bytes, n) < 0)
        return truncated(err);
    if (n >= room || memchr(bytes, '\0', n))
        return bv_fail(err, BV_ECORRUPT, 0, "the index has a bad name");
    memcpy(ret, bytes, n);
    ret[n] = '\0';
    return 0;
}

static int take_blocks(struct bv_reader *r, struct bv_index *x, struct bv_error *err)
{
    const struct bv_pack_ref *p = &x->packs[x->pack_count - 1];
    uint32_t count, raw, stored;
    if (bv_take_u32(r, &count) < 0 || count > r->left / BV_ENTRY_BYTES)
        return truncated(err);
    if (count > BV_EXTENT_ZERO - x->block_count)
        return bv_fail(err, BV_ECORRUPT, 0, "the index has too many blocks");
    for (uint32_t i = 0; i < count; i++) {
        if (bv_take_u32(r, &raw) < 0 || bv_take_u32(r, &stored) < 0)
            return truncated(err);
        if (raw == 0 || raw > BV_BLOCK_MAX || stored == 0 || stored > raw)
            return bv_fail(err, BV_ECORRUPT, 0, "block %u of pack %zu in the index is impossible", i, x->pack_count);
        bv_index_block(x, raw, stored);
    }
    if (end_of_blocks(x) != p->size)
        return bv_fail(err, BV_ECORRUPT, 0, "the blocks of pack %zu in the index do not fill it", x->pack_count);
    return 0;
}

static int take_pack(struct bv_reader *r, struct bv_index *x, struct bv_error *err)
{
    struct bv_pack_ref p = {0};
    const uint8_t *digest;
    if (bv_take_u32(r, &p.generation) < 0 || bv_take_u64(r, &p.size) < 0 || bv_take(r, &digest, BV_DIGEST_BYTES) < 0)
        return truncated(err);
    unsigned before = x->pack_count ? x->packs[x->pack_count - 1].generation : 0;
    if (p.generation <= before || p.generation > x->generation || p.size > BV_SIZE_LIMIT)
        return bv_fail(err, BV_ECORRUPT, 0, "the index refers to an impossible pack");
    memcpy(p.digest.bytes, digest, BV_DIGEST_BYTES);
    bv_index_pack(x, &p);
    return take_blocks(r, x, err);
}

static int check_extent(const struct bv_index *x, const struct bv_extent *e)
{
    if (e->length == 0)
        return -1;
    if (e->block == BV_EXTENT_ZERO)
        return e->skip == 0 ? 0 : -1;
    if (e->block >= x->block_count)
        return -1;
    uint32_t raw = x->blocks[e->block].raw;
    return e->length <= raw && e->skip <= raw - e->length ? 0 : -1;
}

static int take_extents(struct bv_reader *r, struct bv_index *x, uint64_t size, struct bv_error *err)
{
    struct bv_stream *s = &x->streams[x->stream_count - 1];
    uint32_t count;
    if (bv_take_u32(r, &count) < 0 || count > r->left / BV_EXTENT_BYTES)
        return truncated(err);
    for (uint32_t i = 0; i < count; i++) {
        struct bv_extent e;
        if (bv_take_u32(r, &e.block) < 0 || bv_take_u32(r, &e.skip) < 0 || bv_take_u64(r, &e.length) < 0)
            return truncated(err);
        if (check_extent(x, &e) < 0)
            return bv_fail(err, BV_ECORRUPT, 0, "extent %u of stream %s in the index is impossible", i, s->name);
        if (e.length > size - s->size)
            return bv_fail(err, BV_ECORRUPT, 0, "the extents of stream %s in the index exceed its size", s->name);
        s->size += e.length;
        if (e.length % BV_PAGE_SIZE && s->size != size)
            return bv_fail(err, BV_ECORRUPT, 0, "extent %u of stream %s in the index is no whole pages", i, s->name);
        if (e.block != BV_EXTENT_ZERO)
            x->page_count += bv_page_count(e.length);
        push(x, x->stream_count - 1, e);
    }
    if (s->size != size)
        return bv_fail(err, BV_ECORRUPT, 0, "the extents of stream %s in the index are less than its size", s->name);
    return 0;
}

static int take_stream(struct bv_reader *r, struct bv_index *x, struct bv_error *err)
{
    char name[BV_STREAM_NAME_MAX + 1];
    uint64_t size;
    struct bv_error why = {0};
    if (take_name(r, name, sizeof(name), err) < 0)
        return -1;
    if (bv_take_u64(r, &size) < 0)
        return truncated(err);
    if (size > BV_SIZE_LIMIT)
        return bv_fail(err, BV_ECORRUPT, 0, "a stream in the index is impossibly large");
    if (bv_index_stream(x, name, &why) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the index is bad: %s", why.text);
    return take_extents(r, x, size, err);
}

static int take_header(struct bv_reader *r, struct bv_index *x, uint32_t *ret_packs, uint32_t *ret_streams,
                       struct bv_error *err)
{
    const uint8_t *magic;
    uint32_t generation, packs, streams, flags;
    if (bv_take(r, &magic, 8) < 0)
        return truncated(err);
    if (memcmp(magic, BV_INDEX_MAGIC, 8) != 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the index does not begin with %s", BV_INDEX_MAGIC);
    if (bv_take_u32(r, &generation) < 0 || bv_take_u32(r, &packs) < 0 || bv_take_u32(r, &streams) < 0 ||
        bv_take_u32(r, &flags) < 0 || bv_take_u64(r, &x->seed) < 0)
        return truncated(err);
    if (packs > BV_PACKS_MAX || streams > BV_STREAMS_MAX || flags != 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the header of the index is impossible");
    x->generation = generation;
    *ret_packs = packs;
    *ret_streams = streams;
    return 0;
}

static int take_pages(struct bv_reader *r, struct bv_index *x, struct bv_error *err)
{
    const uint8_t *bytes;
    if (x->page_count > r->left / BV_DIGEST_BYTES || bv_take(r, &bytes, x->page_count * BV_DIGEST_BYTES) < 0)
        return truncated(err);
    x->pages = bv_alloc(x->page_count * sizeof(*x->pages));
    if (x->page_count)
        memcpy(x->pages, bytes, x->page_count * sizeof(*x->pages));
    return 0;
}

int bv_index_parse(const void *bytes, size_t size, struct bv_index *ret, struct bv_error *err)
{
    struct bv_reader r = {.at = bytes, .left = size};
    autoindex struct bv_index x = {0};
    uint32_t packs = 0, streams = 0;

    bv_index_init(&x, 0);
    if (take_header(&r, &x, &packs, &streams, err) < 0)
        return -1;
    while (x.pack_count < packs)
        if (take_pack(&r, &x, err) < 0)
            return -1;
    while (x.stream_count < streams)
        if (take_stream(&r, &x, err) < 0)
            return -1;
    if (take_pages(&r, &x, err) < 0)
        return -1;
    if (r.left)
        return bv_fail(err, BV_ECORRUPT, 0, "the index has %zu bytes too many", r.left);

    *ret = x;
    x = (struct bv_index){0};
    return 0;
}
