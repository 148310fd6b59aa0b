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
    if (codec == BV_CODEC_RAW ? stored != raw : codec != BV_CODEC_ZSTD || stored >= raw)
        return -1;
    *ret = (struct bv_block_header){.raw = raw, .stored = stored, .codec = (enum bv_codec)codec};
    memcpy(ret->digest.bytes, digest, sizeof(ret->digest.bytes));
    return 0;
}

int bv_pack_header_parse(const uint8_t bytes[BV_PACK_HEADER], unsigned generation)
{
    struct bv_reader r = {.at = bytes, .left = BV_PACK_HEADER};
    const uint8_t *magic;
    uint32_t of, block_max;
    if (bv_take(&r, &magic, 8) < 0 || bv_take_u32(&r, &of) < 0 || bv_take_u32(&r, &block_max) < 0)
        return -1;
    if (memcmp(magic, BV_PACK_MAGIC, 8) != 0 || of != generation || block_max != BV_BLOCK_MAX)
        return -1;
    for (; r.left; r.at++, r.left--)
        if (*r.at != 0)
            return -1;
    return 0;
}

int bv_block_decode(ZSTD_DCtx *zstd, const struct bv_block_header *h, const uint8_t *stored, uint8_t *raw)
{
    if (h->codec == BV_CODEC_RAW)
        memcpy(raw, stored, h->raw);
    else if (ZSTD_decompressDCtx(zstd, raw, BV_BLOCK_MAX, stored, h->stored) != h->raw)
        return -1;
    struct bv_digest is = bv_digest_of(raw, h->raw);
    return bv_digest_same(&is, &h->digest) ? 0 : -1;
}

int bv_pack_open(int dirfd, const char *name, unsigned generation, uint64_t size, struct bv_pack_reader *ret,
                 struct bv_error *err)
{
    autoclose int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot open %s", name);

    struct stat st;
    uint8_t header[BV_PACK_HEADER];
    if (fstat(fd, &st) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot stat %s", name);
    if (!S_ISREG(st.st_mode))
        return bv_fail(err, BV_ECORRUPT, 0, "%s is not a regular file", name);
    if ((uint64_t)st.st_size != size)
        return bv_fail(err, BV_ECORRUPT, 0, "%s has %lld bytes, not the %llu recorded", name, (long long)st.st_size,
                       (unsigned long long)size);
    ssize_t n = bv_pread_full(fd, header, sizeof(header), 0);
    if (n < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot read %s", name);
    if ((size_t)n < sizeof(header) || bv_pack_header_parse(header, generation) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "%s does not begin like a pack of generation %u", name, generation);

    *ret = (struct bv_pack_reader){.fd = steal_fd(&fd), .size = size, .generation = generation};
    snprintf(ret->name, sizeof(ret->name), "%s", name);
    return 0;
}

void bv_pack_close(struct bv_pack_reader *p)
{
    close_fd(&p->fd);
}

void bv_block_buffer_init(struct bv_block_buffer *b)
{
    *b = (struct bv_block_buffer){.raw = bv_alloc(BV_BLOCK_MAX), .stored = bv_alloc(BV_BLOCK_MAX)};
    b->zstd = ZSTD_createDCtx();
    if (!b->zstd) {
        fputs("bivouac: out of memory\n", stderr);
        abort();
    }
}

void bv_block_buffer_free(struct bv_block_buffer *b)
{
    free(b->raw);
    free(b->stored);
    ZSTD_freeDCtx(b->zstd);
    *b = (struct bv_block_buffer){0};
}

static int bad_block(const struct bv_pack_reader *p, uint64_t offset, const char *why, struct bv_error *err)
{
    return bv_fail(err, BV_ECORRUPT, 0, "the block at byte %llu of %s of generation %u %s", (unsigned long long)offset,
                   p->name, p->generation, why);
}

int bv_block_load(struct bv_block_buffer *b, const struct bv_pack_reader *p, uint64_t offset, XXH3_state_t *whole,
                  struct bv_error *err)
{
    if (b->pack == p && b->offset == offset)
        return 0;
    b->pack = NULL;

    uint8_t header[BV_BLOCK_HEADER];
    struct bv_block_header h;
    if (offset > p->size || p->size - offset < sizeof(header))
        return bad_block(p, offset, "is cut off", err);
    ssize_t n = bv_pread_full(p->fd, header, sizeof(header), (off_t)offset);
    if (n < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot read %s", p->name);
    if ((size_t)n < sizeof(header))
        return bad_block(p, offset, "is cut off", err);
    if (bv_block_header_parse(header, &h) < 0)
        return bad_block(p, offset, "has an impossible header", err);
    if (p->size - offset - sizeof(header) < h.stored)
        return bad_block(p, offset, "is cut off", err);

    n = bv_pread_full(p->fd, b->stored, h.stored, (off_t)(offset + sizeof(header)));
    if (n < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot read %s", p->name);
    if ((size_t)n < h.stored)
        return bad_block(p, offset, "is cut off", err);
    if (bv_block_decode(b->zstd, &h, b->stored, b->raw) < 0)
        return bad_block(p, offset, "does not match its digest", err);
    if (whole) {
        bv_digest_add(whole, header, sizeof(header));
        bv_digest_add(whole, b->stored, h.stored);
    }
    b->pack = p;
    b->offset = offset;
    b->header = h;
    return 0;
}
