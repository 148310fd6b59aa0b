/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pack_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/wire.h"

/* Have the kernel begin to write while we still compress, so that the final fsync has little left to wait for. */
#define WRITEBACK_STEP (32u << 20)

static int put_bytes(struct bv_pack_writer *p, const void *bytes, size_t size)
{
    if (bv_write_full(p->fd, bytes, size) < 0)
        return -1;
    bv_digest_add(p->digest, bytes, size);
    p->size += size;
    if (p->size - p->started >= WRITEBACK_STEP) {
        /* Advice only: a failure will show again at fsync. */
        sync_file_range(p->fd, (off_t)p->started, (off_t)(p->size - p->started), SYNC_FILE_RANGE_WRITE);
        p->started = p->size;
    }
    return 0;
}

static int put_header(struct bv_pack_writer *p, unsigned generation)
{
    static const uint8_t zero[BV_PACK_HEADER] = {0};
    autobuffer struct bv_buffer header = {0};
    bv_put(&header, BV_PACK_MAGIC, 8);
    bv_put_u32(&header, generation);
    bv_put_u32(&header, BV_BLOCK_MAX);
    bv_put(&header, zero, BV_PACK_HEADER - header.size);
    return put_bytes(p, header.bytes, header.size);
}

int bv_pack_begin(struct bv_pack_writer *p, int dirfd, const char *name, unsigned generation, int level)
{
    *p = (struct bv_pack_writer){.fd = -1};
    p->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (p->fd < 0)
        return -1;
    p->digest = bv_digest_begin();
    p->raw = bv_alloc(BV_BLOCK_MAX);
    p->stored_room = BV_BLOCK_HEADER + ZSTD_compressBound(BV_BLOCK_MAX);
    p->stored = bv_alloc(p->stored_room);
    p->zstd = ZSTD_createCCtx();
    if (!p->zstd) {
        errno = ENOMEM;
        return -1;
    }
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, level);
    return put_header(p, generation);
}

static void encode_block_header(uint8_t *out, size_t raw, size_t stored, enum bv_codec codec,
                                const struct bv_digest *digest)
{
    autobuffer struct bv_buffer header = {0};
    bv_put_u32(&header, (uint32_t)raw);
    bv_put_u32(&header, (uint32_t)stored);
    bv_put_u32(&header, codec);
    bv_put_u32(&header, 0);
    bv_put(&header, digest->bytes, sizeof(digest->bytes));
    memcpy(out, header.bytes, BV_BLOCK_HEADER);
}

static int write_block(struct bv_pack_writer *p)
{
    if (p->raw_used == 0)
        return 0;

    struct bv_digest digest = bv_digest_of(p->raw, p->raw_used);
    uint8_t *body = p->stored + BV_BLOCK_HEADER;
    enum bv_codec codec = BV_CODEC_ZSTD;
    size_t size = ZSTD_compress2(p->zstd, body, p->stored_room - BV_BLOCK_HEADER, p->raw, p->raw_used);
    if (ZSTD_isError(size) || size >= p->raw_used) {
        codec = BV_CODEC_RAW;
        size = p->raw_used;
        memcpy(body, p->raw, size);
    }
    encode_block_header(p->stored, p->raw_used, size, codec, &digest);
    if (put_bytes(p, p->stored, BV_BLOCK_HEADER + size) < 0)
        return -1;
    p->raw_used = 0;
    return 0;
}

ssize_t bv_pack_append(struct bv_pack_writer *p, const uint8_t *bytes, size_t size, uint64_t *ret_offset,
                       uint32_t *ret_skip)
{
    if (p->raw_used == BV_BLOCK_MAX && write_block(p) < 0)
        return -1;
    size_t n = BV_BLOCK_MAX - p->raw_used < size ? BV_BLOCK_MAX - p->raw_used : size;
    memcpy(p->raw + p->raw_used, bytes, n);
    *ret_offset = p->size;
    *ret_skip = (uint32_t)p->raw_used;
    p->raw_used += n;
    return (ssize_t)n;
}

int bv_pack_flush(struct bv_pack_writer *p, struct bv_digest *ret)
{
    if (write_block(p) < 0)
        return -1;
    bv_digest_end(steal_ptr(&p->digest), ret);
    return 0;
}

void bv_pack_end(struct bv_pack_writer *p)
{
    close_fd(&p->fd);
    free(p->raw);
    free(p->stored);
    ZSTD_freeCCtx(p->zstd);
    bv_digest_end(p->digest, NULL);
    *p = (struct bv_pack_writer){.fd = -1};
}
