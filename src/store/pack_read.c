/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pack_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/shuffle.h"
#include "store/wire.h"

enum bv_code bv_read_code(int sys_errno)
{
    switch (sys_errno) {
    case EIO:
    case ENOENT:
    case ELOOP: /* a symbolic link where a file of the store belongs */
    case ENOTDIR:
        return BV_ECORRUPT;
    case EACCES:
    case EPERM:
        return BV_EDENIED;
    default:
        return BV_ESTORE;
    }
}

int bv_block_header_parse(const uint8_t bytes[BV_BLOCK_HEADER], struct bv_block_header *ret)
{
    struct bv_reader r = {.at = bytes, .left = BV_BLOCK_HEADER};
    uint32_t raw, stored, codec, flags;
    const uint8_t *digest;
    if (bv_take_u32(&r, &raw) < 0 || bv_take_u32(&r, &stored) < 0 || bv_take_u32(&r, &codec) < 0 ||
        bv_take_u32(&r, &flags) < 0 || bv_take(&r, &digest, sizeof(ret->digest.bytes)) < 0)
        return -1;
    if (raw == 0 || raw > BV_BLOCK_MAX || stored == 0 || flags != 0)
        return -1;
    /* A block that would not shrink is stored as it is: compressed bytes are always fewer. */
    if (codec == BV_CODEC_RAW ? stored != raw : codec > BV_CODEC_SHUFFLED || stored >= raw)
        return -1;
    *ret = (struct bv_block_header){.raw = raw, .stored = stored, .codec = (enum bv_codec)codec};
    memcpy(ret->digest.bytes, digest, sizeof(ret->digest.bytes));
    return 0;
}

int bv_pack_header_parse(const uint8_t bytes[BV_PACK_HEADER], unsigned generation, uint64_t *ret_seed)
{
    struct bv_reader r = {.at = bytes, .left = BV_PACK_HEADER};
    const uint8_t *magic;
    uint32_t of, block_max;
    if (bv_take(&r, &magic, 8) < 0 || bv_take_u32(&r, &of) < 0 || bv_take_u32(&r, &block_max) < 0 ||
        bv_take_u64(&r, ret_seed) < 0)
        return -1;
    if (memcmp(magic, BV_PACK_MAGIC, 8) != 0 || of != generation || block_max != BV_BLOCK_MAX)
        return -1;
    for (; r.left; r.at++, r.left--)
        if (*r.at != 0)
            return -1;
    return 0;
}

struct bv_digest bv_block_digest(uint64_t seed, const uint8_t *raw, size_t size)
{
    struct bv_digest pages[BV_BLOCK_PAGES];
    size_t count = 0;
    for (size_t at = 0; at < size; at += BV_PAGE_SIZE)
        pages[count++] = bv_digest_page(seed, raw + at, size - at < BV_PAGE_SIZE ? size - at : BV_PAGE_SIZE);
    return bv_digest_of(pages, count * sizeof(*pages));
}

static int decompress(struct bv_decoder *d, const struct bv_block_header *h, const uint8_t *stored, uint8_t *to)
{
    return ZSTD_decompressDCtx(d->zstd, to, BV_BLOCK_MAX, stored, h->stored) == h->raw ? 0 : -1;
}

int bv_block_decode(struct bv_decoder *d, const struct bv_block_header *h, uint64_t seed, const uint8_t *stored,
                    const uint8_t **ret)
{
    *ret = h->codec == BV_CODEC_RAW ? stored : d->raw;
    if (h->codec == BV_CODEC_ZSTD && decompress(d, h, stored, d->raw) < 0)
        return -1;
    if (h->codec == BV_CODEC_SHUFFLED) {
        if (decompress(d, h, stored, d->shuffled) < 0)
            return -1;
        bv_unshuffle(d->shuffled, d->raw, h->raw);
    }
    struct bv_digest is = bv_block_digest(seed, *ret, h->raw);
    return bv_digest_same(&is, &h->digest) ? 0 : -1;
}

int bv_pack_open(int dirfd, unsigned generation, uint64_t size, struct bv_pack_reader *ret, struct bv_error *err)
{
    struct bv_pack_reader p = {.size = size, .generation = generation};
    bv_pack_name(generation, p.name);
    autoclose int fd = openat(dirfd, p.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot open %s", p.name);

    struct stat st;
    uint8_t header[BV_PACK_HEADER];
    if (fstat(fd, &st) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot stat %s", p.name);
    if (!S_ISREG(st.st_mode))
        return bv_fail(err, BV_ECORRUPT, 0, "%s is not a regular file", p.name);
    if ((uint64_t)st.st_size != size)
        return bv_fail(err, BV_ECORRUPT, 0, "%s has %lld bytes, not the %llu recorded", p.name, (long long)st.st_size,
                       (unsigned long long)size);
    ssize_t n = bv_pread_full(fd, header, sizeof(header), 0);
    if (n < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot read %s", p.name);
    if ((size_t)n < sizeof(header) || bv_pack_header_parse(header, generation, &p.seed) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "%s does not begin like a pack of generation %u", p.name, generation);
    *ret = p;
    ret->fd = steal_fd(&fd);
    return 0;
}

void bv_pack_close(struct bv_pack_reader *p)
{
    close_fd(&p->fd);
}

void bv_decoder_init(struct bv_decoder *d)
{
    *d = (struct bv_decoder){
        .raw = bv_alloc(BV_BLOCK_MAX),
        .shuffled = bv_alloc(BV_BLOCK_MAX),
        .stored = bv_alloc(BV_BLOCK_HEADER + BV_BLOCK_MAX),
    };
    d->zstd = ZSTD_createDCtx();
    if (!d->zstd) {
        fputs("bivouac: out of memory\n", stderr);
        abort();
    }
}

void bv_decoder_free(struct bv_decoder *d)
{
    free(d->raw);
    free(d->shuffled);
    free(d->stored);
    ZSTD_freeDCtx(d->zstd);
    *d = (struct bv_decoder){0};
}

static int bad_block(const struct bv_pack_reader *p, const struct bv_block *b, const char *why, struct bv_error *err)
{
    return bv_fail(err, BV_ECORRUPT, 0, "the block at byte %llu of %s %s", (unsigned long long)b->offset, p->name, why);
}

int bv_block_load(struct bv_decoder *d, const struct bv_pack_reader *p, const struct bv_block *b, const uint8_t **ret,
                  struct bv_error *err)
{
    struct bv_block_header h;
    size_t size = BV_BLOCK_HEADER + (size_t)b->stored;
    ssize_t n = bv_pread_full(p->fd, d->stored, size, (off_t)b->offset);
    if (n < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot read %s", p->name);
    if ((size_t)n < size)
        return bad_block(p, b, "is cut off", err);
    if (bv_block_header_parse(d->stored, &h) < 0)
        return bad_block(p, b, "has an impossible header", err);
    if (h.raw != b->raw || h.stored != b->stored)
        return bad_block(p, b, "is not the one that the index means", err);
    if (bv_block_decode(d, &h, p->seed, d->stored + BV_BLOCK_HEADER, ret) < 0)
        return bad_block(p, b, "does not match its digest", err);
    return 0;
}
