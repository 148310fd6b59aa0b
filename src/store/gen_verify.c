/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/io.h"
#include "store/gen.h"

/* The digest of a pack is that of its headers: with the digests in them it stands for all bytes that matter. */
static int verify_headers(const struct bv_gen *g, size_t number, struct bv_error *err)
{
    const struct bv_pack_ref *ref = &g->index.packs[number];
    const struct bv_pack_reader *pack = &g->packs[number];
    uint8_t header[BV_PACK_HEADER];
    struct bv_digest is;
    XXH3_state_t *all = bv_digest_begin();
    ssize_t n = bv_pread_full(pack->fd, header, BV_PACK_HEADER, 0);
    int rc = n == BV_PACK_HEADER ? 0 : -1;
    bv_digest_add(all, header, BV_PACK_HEADER);
    for (uint32_t i = ref->first; rc == 0 && i < ref->first + ref->count; i++) {
        n = bv_pread_full(pack->fd, header, BV_BLOCK_HEADER, (off_t)g->index.blocks[i].offset);
        rc = n == BV_BLOCK_HEADER ? 0 : -1;
        bv_digest_add(all, header, BV_BLOCK_HEADER);
    }
    bv_digest_end(all, &is);
    if (rc < 0)
        return n < 0 ? bv_fail(err, bv_read_code(errno), errno, "cannot read %s", pack->name)
                     : bv_fail(err, BV_ECORRUPT, 0, "%s is cut off", pack->name);
    if (!bv_digest_same(&is, &ref->digest))
        return bv_fail(err, BV_ECORRUPT, 0, "%s does not match its digest in the manifest", pack->name);
    return 0;
}

/* Manifest and index were verified when the generation was opened, and that the blocks fill the packs. */
int bv_gen_verify(struct bv_gen *g, struct bv_error *err)
{
    if (bv_gen_each_block(g, NULL, g->index.block_count, 0, NULL, NULL, err) < 0)
        return -1;
    for (size_t i = 0; i < g->index.pack_count; i++)
        if (verify_headers(g, i, err) < 0)
            return bv_wrap(err, "%s", g->what);
    return 0;
}
