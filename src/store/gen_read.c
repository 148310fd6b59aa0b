/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/gen.h"
#include "store/layout.h"
#include "store/space.h"

/* A file that every generation has. That it is missing, or a link, is damage here, not "no such job". */
static int read_part(int dirfd, const char *name, size_t max, char **ret, size_t *ret_size, struct bv_error *err)
{
    struct bv_error why = {0};
    if (bv_read_file(dirfd, name, max, ret, ret_size, &why) == 0)
        return 0;
    enum bv_code code = why.sys_errno ? bv_read_code(why.sys_errno) : why.code;
    return bv_fail(err, code, 0, "%s", why.text);
}

static int read_manifest(struct bv_gen *g, const struct bv_job *j, unsigned number, struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size = 0;
    if (read_part(g->dirfd, BV_MANIFEST_FILE, BV_MANIFEST_MAX, &text, &size, err) < 0 ||
        bv_manifest_parse(text, size, &g->manifest, err) < 0)
        return -1;
    if (g->manifest.generation != number || strcmp(g->manifest.job, j->id) != 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the manifest is that of another generation or job");
    return 0;
}

static int read_index(struct bv_gen *g, unsigned number, struct bv_error *err)
{
    autofree char *bytes = NULL;
    size_t size = 0;
    const struct bv_file_ref *said = &g->manifest.index;
    if (read_part(g->dirfd, BV_INDEX_FILE, BV_INDEX_MAX, &bytes, &size, err) < 0)
        return -1;
    if (size != said->size)
        return bv_fail(err, BV_ECORRUPT, 0, "the index has %zu bytes, not the %llu recorded", size,
                       (unsigned long long)said->size);
    struct bv_digest is = bv_digest_of(bytes, size);
    if (!bv_digest_same(&is, &said->digest))
        return bv_fail(err, BV_ECORRUPT, 0, "the index does not match its digest in the manifest");
    if (bv_index_parse(bytes, size, &g->index, err) < 0)
        return -1;
    if (g->index.generation != number)
        return bv_fail(err, BV_ECORRUPT, 0, "the index is that of another generation");
    return 0;
}

/* Manifest and index must mean the same packs. */
static int check_packs(const struct bv_gen *g, struct bv_error *err)
{
    size_t count = g->index.pack_count;
    int same = count == g->manifest.pack_count;
    for (size_t i = 0; same && i < count; i++) {
        const struct bv_pack_ref *ref = &g->index.packs[i];
        const struct bv_file_ref *said = &g->manifest.packs[i];
        same = said->generation == ref->generation && said->size == ref->size &&
               bv_digest_same(&said->digest, &ref->digest);
    }
    return same ? 0 : bv_fail(err, BV_ECORRUPT, 0, "manifest and index do not agree about the packs");
}

static int open_packs(struct bv_gen *g, struct bv_error *err)
{
    size_t count = g->index.pack_count;
    g->packs = bv_alloc(count * sizeof(*g->packs));
    for (size_t i = 0; i < count; i++)
        g->packs[i].fd = -1;
    for (size_t i = 0; i < count; i++) {
        const struct bv_pack_ref *ref = &g->index.packs[i];
        if (bv_pack_open(g->dirfd, ref->generation, ref->size, &g->packs[i], err) < 0)
            return -1;
        if (g->packs[i].seed != g->index.seed)
            return bv_fail(err, BV_ECORRUPT, 0, "%s has another seed than the index", g->packs[i].name);
    }
    return 0;
}

int bv_gen_open(const struct bv_job *j, unsigned number, struct bv_gen **ret, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    bv_generation_name(number, name);
    autoclose int dirfd = number == 0 || number > BV_GENERATION_MAX ? -1 : bv_dir_open(j->dirfd, name);
    if (dirfd < 0 && (number == 0 || number > BV_GENERATION_MAX || errno == ENOENT))
        return bv_fail(err, BV_ENOJOB, 0, "job %s has no generation %u", j->id, number);
    if (dirfd < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot open generation %u of job %s", number, j->id);

    autogen struct bv_gen *g = bv_alloc(sizeof(*g));
    snprintf(g->what, sizeof(g->what), "generation %u of job %s", number, j->id);
    g->dirfd = steal_fd(&dirfd);
    for (size_t i = 0; i < BV_CACHE_BLOCKS; i++)
        g->cache[i].block = BV_EXTENT_ZERO;
    if (read_manifest(g, j, number, err) < 0 || read_index(g, number, err) < 0 || check_packs(g, err) < 0 ||
        open_packs(g, err) < 0)
        return bv_wrap(err, "%s", g->what);
    *ret = steal_ptr(&g);
    return 0;
}

void bv_gen_close(struct bv_gen *g)
{
    if (!g)
        return;
    for (size_t i = 0; g->packs && i < g->index.pack_count; i++)
        bv_pack_close(&g->packs[i]);
    free(g->packs);
    for (size_t i = 0; i < BV_CACHE_BLOCKS; i++)
        free(g->cache[i].raw);
    if (g->decoder.zstd)
        bv_decoder_free(&g->decoder);
    close_fd(&g->dirfd);
    bv_index_free(&g->index);
    bv_manifest_free(&g->manifest);
    free(g);
}

const json_t *bv_gen_manifest(const struct bv_gen *g)
{
    return g->manifest.json;
}

const json_t *bv_gen_content(const struct bv_gen *g)
{
    return g->manifest.content;
}

size_t bv_gen_stream_count(const struct bv_gen *g)
{
    return g->index.stream_count;
}

struct bv_gen_stream bv_gen_stream(const struct bv_gen *g, size_t i)
{
    const struct bv_stream *s = &g->index.streams[i];
    return (struct bv_gen_stream){.name = s->name, .size = s->size};
}

ssize_t bv_gen_find(const struct bv_gen *g, const char *name)
{
    return bv_index_find(&g->index, name);
}

int bv_gen_fail_unpack(const struct bv_stream *s, int fd, int sys_errno, uint64_t left, struct bv_error *err)
{
    char what[BV_STREAM_NAME_MAX + 32];
    snprintf(what, sizeof(what), "unpacking %s", s->name);
    return bv_fail_write(fd, sys_errno, left, what, err);
}

int bv_gen_block(struct bv_gen *g, uint32_t block, const uint8_t **ret, struct bv_error *err)
{
    struct bv_cached *oldest = &g->cache[0];
    for (size_t i = 0; i < BV_CACHE_BLOCKS; i++) {
        struct bv_cached *c = &g->cache[i];
        if (c->block == block) {
            c->used = ++g->uses;
            *ret = c->raw;
            return 0;
        }
        if (c->used < oldest->used)
            oldest = c;
    }
    const uint8_t *raw;
    const struct bv_block *b = &g->index.blocks[block];
    if (!g->decoder.zstd)
        bv_decoder_init(&g->decoder);
    if (bv_block_load(&g->decoder, &g->packs[b->pack], b, &raw, err) < 0)
        return bv_wrap(err, "%s", g->what);
    if (!oldest->raw)
        oldest->raw = bv_alloc(BV_BLOCK_MAX);
    memcpy(oldest->raw, raw, b->raw);
    oldest->block = block;
    oldest->used = ++g->uses;
    *ret = oldest->raw;
    return 0;
}

int bv_gen_stream_copy(struct bv_gen *g, size_t i, int fd, struct bv_error *err)
{
    if (i >= g->index.stream_count)
        return bv_fail(err, BV_EINTERNAL, 0, "%s has no stream %zu", g->what, i);

    const struct bv_stream *s = &g->index.streams[i];
    if (ftruncate(fd, (off_t)s->size) < 0)
        return bv_gen_fail_unpack(s, fd, errno, s->size, err);
    uint64_t at = 0;
    for (size_t k = s->first; k < s->first + s->count; k++) {
        const struct bv_extent *e = &g->index.extents[k];
        const uint8_t *raw;
        if (e->block != BV_EXTENT_ZERO) {
            if (bv_gen_block(g, e->block, &raw, err) < 0)
                return -1;
            if (bv_pwrite_full(fd, raw + e->skip, e->length, (off_t)at) < 0)
                return bv_gen_fail_unpack(s, fd, errno, s->size - at, err);
        }
        at += e->length;
    }
    return 0;
}
