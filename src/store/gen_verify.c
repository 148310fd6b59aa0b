/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/gen.h"

/* What the index wants of one block: that it begins at `offset` and has at least `need` raw bytes. */
struct want {
    uint64_t offset;
    uint32_t need;
};

static int compare_wants(const void *a, const void *b)
{
    const struct want *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The wants of pack number `pack`, by offset. */
static struct want *collect_wants(const struct bv_index *x, uint32_t pack, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < x->extent_count; i++)
        count += x->extents[i].pack == pack;

    struct want *wants = bv_alloc(count * sizeof(*wants));
    size_t n = 0;
    for (size_t i = 0; i < x->extent_count; i++) {
        const struct bv_extent *e = &x->extents[i];
        if (e->pack == pack)
            wants[n++] = (struct want){e->offset, (uint32_t)(e->skip + e->length)};
    }
    if (count)
        qsort(wants, count, sizeof(*wants), compare_wants);
    *ret_count = count;
    return wants;
}

/* Walk through the pack from block to block: each must verify, they must fill the file, and each that the index wants
 * must be met on the way. Every byte is read once. */
static int walk(struct bv_gen *g, uint32_t number, XXH3_state_t *whole, struct bv_error *err)
{
    const struct bv_pack_reader *pack = &g->packs[number];
    size_t count, next = 0;
    autofree struct want *wants = collect_wants(&g->index, number, &count);

    for (uint64_t at = BV_PACK_HEADER; at < pack->size;) {
        g->block.pack = NULL; /* read it again, even if it is the one at hand: the digest needs its bytes */
        if (bv_block_load(&g->block, pack, at, whole, err) < 0)
            return -1;
        for (; next < count && wants[next].offset == at; next++)
            if (wants[next].need > g->block.header.raw)
                break;
        uint64_t end = at + BV_BLOCK_HEADER + g->block.header.stored;
        if (next < count && wants[next].offset < end)
            return bv_fail(err, BV_ECORRUPT, 0, "the index does not fit the block at byte %llu of %s",
                           (unsigned long long)at, pack->name);
        at = end;
    }
    if (next < count)
        return bv_fail(err, BV_ECORRUPT, 0, "the index wants a block behind the end of %s", pack->name);
    return 0;
}

static int verify_pack(struct bv_gen *g, uint32_t number, struct bv_error *err)
{
    const struct bv_pack_reader *pack = &g->packs[number];
    uint8_t header[BV_PACK_HEADER];
    ssize_t n = bv_pread_full(pack->fd, header, sizeof(header), 0);
    if (n < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot read %s", pack->name);
    if ((size_t)n < sizeof(header))
        return bv_fail(err, BV_ECORRUPT, 0, "%s is cut off", pack->name);

    struct bv_digest is;
    XXH3_state_t *whole = bv_digest_begin();
    bv_digest_add(whole, header, sizeof(header));
    int rc = walk(g, number, whole, err);
    bv_digest_end(whole, &is);
    if (rc == 0 && !bv_digest_same(&is, &g->index.packs[number].digest))
        rc = bv_fail(err, BV_ECORRUPT, 0, "%s does not match its digest in the manifest", pack->name);
    return rc;
}

/* Manifest and index were verified when the generation was opened. */
int bv_gen_verify(struct bv_gen *g, struct bv_error *err)
{
    for (size_t i = 0; i < g->index.pack_count; i++)
        if (verify_pack(g, (uint32_t)i, err) < 0)
            return bv_wrap(err, "%s", g->what);
    return 0;
}
