/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/gen.h"
#include "store/gen_writer.h"
#include "store/manifest.h"
#include "store/space.h"

/* The files of a generation that are written when all is decided: index and manifest. */

/* So many digests are put together before they are written. */
#define DIGESTS_STEP 4096u

/* Which blocks of the base any extent uses. */
static uint8_t *used_blocks(const struct bv_gen_writer *w)
{
    size_t count = bv_base_blocks(&w->base);
    uint8_t *used = bv_alloc(count);
    for (size_t i = 0; i < w->index.stream_count; i++)
        for (size_t k = 0; k < w->outs[i]->count; k++)
            if (w->outs[i]->extents[k].block < count)
                used[w->outs[i]->extents[k].block] = 1;
    return used;
}

/* Number blocks as they lie in the packs: map[] is the number in the index of each block that the writer knows. */
static int index_packs(struct bv_gen_writer *w, uint32_t *map, struct bv_gen_stats *stats, struct bv_error *err)
{
    uint32_t base = (uint32_t)bv_base_blocks(&w->base);
    uint64_t copied = 0;
    autofree uint8_t *used = used_blocks(w);
    if (bv_base_keep(&w->base, used, w->dirfd, &w->index, map, &stats->linked_bytes, &copied, err) < 0)
        return -1;
    stats->stored_bytes = copied;
    struct bv_pack_ref own = {.generation = w->generation, .size = w->pack.size};
    bv_pack_complete(&w->pack, &own.digest);
    if (w->written_count == 0)
        return 0;
    bv_index_pack(&w->index, &own);
    for (size_t i = 0; i < w->written_count; i++) {
        map[base + w->written[i].number] = (uint32_t)w->index.block_count;
        bv_index_block(&w->index, w->written[i].raw, w->written[i].stored);
    }
    stats->stored_bytes += own.size;
    return 0;
}

static void index_extents(struct bv_gen_writer *w, const uint32_t *map)
{
    for (size_t i = 0; i < w->index.stream_count; i++)
        for (size_t k = 0; k < w->outs[i]->count; k++) {
            const struct bv_out_extent *e = &w->outs[i]->extents[k];
            if (e->block == BV_EXTENT_ZERO)
                bv_index_zeros(&w->index, i, e->length);
            else
                bv_index_bytes(&w->index, i,
                               (struct bv_extent){.length = e->length, .block = map[e->block], .skip = e->skip});
        }
}

/* An index that is written bit by bit: its page digests are as much as 4 MiB per GiB of the job. */
struct output {
    int fd;
    XXH3_state_t *digest;
    uint64_t size;
};

static int put_bytes(struct output *out, const void *bytes, size_t size)
{
    bv_digest_add(out->digest, bytes, size);
    out->size += size;
    return bv_write_full(out->fd, bytes, size);
}

static int put_digests(struct bv_gen_writer *w, struct output *out)
{
    autofree struct bv_digest *step = bv_alloc(DIGESTS_STEP * sizeof(*step));
    size_t n = 0;
    for (size_t i = 0; i < w->index.stream_count; i++)
        for (size_t k = 0; k < w->outs[i]->count; k++) {
            const struct bv_out_extent *e = &w->outs[i]->extents[k];
            uint64_t pages = e->block == BV_EXTENT_ZERO ? 0 : bv_page_count(e->length);
            for (uint64_t page = 0; page < pages; page++) {
                step[n++] = w->pages.page[e->page + page].digest;
                if (n == DIGESTS_STEP && put_bytes(out, step, n * sizeof(*step)) < 0)
                    return -1;
                n %= DIGESTS_STEP;
            }
        }
    return put_bytes(out, step, n * sizeof(*step));
}

static int write_index(struct bv_gen_writer *w, struct bv_file_ref *ret, struct bv_error *err)
{
    autobuffer struct bv_buffer head = {0};
    bv_index_encode(&w->index, &head);
    uint64_t size = head.size + w->index.page_count * BV_DIGEST_BYTES;
    if (size > BV_INDEX_MAX)
        return bv_fail(err, BV_ESTORE, 0, "%s would need an index of %llu bytes, more than the %llu allowed", w->what,
                       (unsigned long long)size, BV_INDEX_MAX);

    autoclose int fd = openat(w->dirfd, BV_INDEX_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct output out = {.fd = fd, .digest = bv_digest_begin()};
    int rc = fd < 0 || put_bytes(&out, head.bytes, head.size) < 0 || put_digests(w, &out) < 0 ? -1 : 0;
    int saved = errno;
    bv_digest_end(out.digest, &ret->digest);
    ret->size = out.size;
    /* The pack, of which the kernel has begun to write all, is waited for first. */
    errno = saved;
    if (rc < 0 || fsync(w->pack.fd) < 0 || fsync(fd) < 0)
        return bv_fail_write(w->dirfd, errno, size, w->what, err);
    return 0;
}

static int write_manifest(struct bv_gen_writer *w, const struct bv_file_ref *index, const json_t *content,
                          const struct bv_gen_stats *stats, struct bv_error *err)
{
    struct bv_file_ref packs[BV_PACKS_MAX];
    struct bv_manifest m = {.job = w->job, .generation = w->generation, .attempt = w->attempt, .index = *index};
    m.packs = packs;
    for (; m.pack_count < w->index.pack_count; m.pack_count++) {
        const struct bv_pack_ref *ref = &w->index.packs[m.pack_count];
        packs[m.pack_count] =
            (struct bv_file_ref){.generation = ref->generation, .size = ref->size, .digest = ref->digest};
    }

    autofree char *text = bv_manifest_build(&m, stats, content);
    size_t size = strlen(text);
    struct bv_error why = {0};
    if (size > BV_MANIFEST_MAX)
        return bv_fail(err, BV_ESTORE, 0, "%s would need a manifest of %zu bytes, more than the %u allowed", w->what,
                       size, BV_MANIFEST_MAX);
    /* This syncs the directory too, and with it the names of packs and index. */
    if (bv_publish(w->dirfd, BV_MANIFEST_FILE, text, size, 0, &why) < 0) {
        if (why.sys_errno == 0)
            return bv_fail(err, why.code, 0, "%s: %s", w->what, why.text);
        return bv_fail_write(w->dirfd, why.sys_errno, size, w->what, err);
    }
    bv_fault_point("checkpoint-manifest");
    return 0;
}

int bv_gen_write_files(struct bv_gen_writer *w, const json_t *content, struct bv_gen_stats *stats, struct bv_error *err)
{
    struct bv_file_ref index = {0};
    autofree uint32_t *map = bv_alloc((bv_base_blocks(&w->base) + w->block_count) * sizeof(*map));
    if (index_packs(w, map, stats, err) < 0)
        return -1;
    index_extents(w, map);
    if (write_index(w, &index, err) < 0)
        return -1;
    stats->streams = w->index.stream_count;
    stats->zero_bytes = w->zero_bytes;
    stats->same_bytes = w->same_bytes;
    stats->new_bytes = w->new_bytes;
    stats->raw_bytes = w->zero_bytes + w->same_bytes + w->new_bytes;
    stats->stored_bytes += index.size;
    stats->packs = (unsigned)w->index.pack_count;
    stats->base = w->base.gen ? w->base.gen->manifest.generation : 0;
    stats->cpu_ns = w->pipe.cpu_ns;
    return write_manifest(w, &index, content, stats, err);
}
