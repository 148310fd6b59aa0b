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

static int read_manifest(struct bv_gen *g, int dirfd, const struct bv_job *j, unsigned number, struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size = 0;
    if (read_part(dirfd, BV_MANIFEST_FILE, BV_MANIFEST_MAX, &text, &size, err) < 0 ||
        bv_manifest_parse(text, size, &g->manifest, err) < 0)
        return -1;
    if (g->manifest.generation != number || strcmp(g->manifest.job, j->id) != 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the manifest is that of another generation or job");
    return 0;
}

static int read_index(struct bv_gen *g, int dirfd, unsigned number, struct bv_error *err)
{
    autofree char *bytes = NULL;
    size_t size = 0;
    const struct bv_file_ref *said = &g->manifest.index;
    if (read_part(dirfd, BV_INDEX_FILE, BV_INDEX_MAX, &bytes, &size, err) < 0)
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

/* Manifest and index must mean the same packs: the manifest lists those of this directory, the index those it uses. */
static int check_packs(const struct bv_gen *g, struct bv_error *err)
{
    size_t own = 0;
    for (size_t i = 0; i < g->index.pack_count; i++) {
        const struct bv_pack_ref *ref = &g->index.packs[i];
        const struct bv_file_ref *said = NULL;
        if (ref->generation != g->manifest.generation)
            continue;
        for (size_t k = 0; k < g->manifest.pack_count; k++)
            if (strcmp(g->manifest.packs[k].name, ref->name) == 0)
                said = &g->manifest.packs[k];
        if (!said || said->size != ref->size || !bv_digest_same(&said->digest, &ref->digest))
            return bv_fail(err, BV_ECORRUPT, 0, "manifest and index do not agree about %s", ref->name);
        own++;
    }
    if (own != g->manifest.pack_count)
        return bv_fail(err, BV_ECORRUPT, 0, "the manifest has a pack that the index lacks");
    return 0;
}

static int open_packs(struct bv_gen *g, const struct bv_job *j, struct bv_error *err)
{
    size_t count = g->index.pack_count;
    g->packs = bv_alloc(count * sizeof(*g->packs));
    for (size_t i = 0; i < count; i++)
        g->packs[i].fd = -1;
    for (size_t i = 0; i < count; i++) {
        const struct bv_pack_ref *ref = &g->index.packs[i];
        char name[BV_LAYOUT_NAME];
        bv_generation_name(ref->generation, name);
        autoclose int dirfd = bv_dir_open(j->dirfd, name);
        if (dirfd < 0)
            return bv_fail(err, bv_read_code(errno), errno, "cannot open generation %u, which holds a pack",
                           ref->generation);
        if (bv_pack_open(dirfd, ref->name, ref->generation, ref->size, &g->packs[i], err) < 0)
            return -1;
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
    bv_block_buffer_init(&g->block);
    if (read_manifest(g, dirfd, j, number, err) < 0 || read_index(g, dirfd, number, err) < 0 ||
        check_packs(g, err) < 0 || open_packs(g, j, err) < 0)
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
    bv_block_buffer_free(&g->block);
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

static int fail_unpack(const struct bv_stream *s, int fd, int sys_errno, uint64_t left, struct bv_error *err)
{
    char what[BV_STREAM_NAME_MAX + 32];
    snprintf(what, sizeof(what), "unpacking %s", s->name);
    return bv_fail_write(fd, sys_errno, left, what, err);
}

static int copy_extent(struct bv_gen *g, const struct bv_stream *s, const struct bv_extent *e, uint64_t at, int fd,
                       struct bv_error *err)
{
    const struct bv_pack_reader *pack = &g->packs[e->pack];
    if (bv_block_load(&g->block, pack, e->offset, NULL, err) < 0)
        return bv_wrap(err, "%s", g->what);
    if (e->skip + e->length > g->block.header.raw)
        return bv_fail(err, BV_ECORRUPT, 0, "%s: the index wants more of the block at byte %llu of %s than it has",
                       g->what, (unsigned long long)e->offset, pack->name);
    if (bv_pwrite_full(fd, g->block.raw + e->skip, e->length, (off_t)at) < 0)
        return fail_unpack(s, fd, errno, s->size - at, err);
    return 0;
}

int bv_gen_stream_copy(struct bv_gen *g, size_t i, int fd, struct bv_error *err)
{
    if (i >= g->index.stream_count)
        return bv_fail(err, BV_EINTERNAL, 0, "%s has no stream %zu", g->what, i);

    const struct bv_stream *s = &g->index.streams[i];
    if (ftruncate(fd, (off_t)s->size) < 0)
        return fail_unpack(s, fd, errno, s->size, err);
    uint64_t at = 0;
    for (size_t k = s->first; k < s->first + s->count; k++) {
        const struct bv_extent *e = &g->index.extents[k];
        if (e->pack != BV_EXTENT_ZERO && copy_extent(g, s, e, at, fd, err) < 0)
            return -1;
        at += e->length;
    }
    return 0;
}
