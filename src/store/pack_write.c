/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pack_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/shuffle.h"
#include "store/wire.h"

/* Have the kernel begin to write while we still compress, so that the final fsync has little left to wait for. */
#define WRITEBACK_STEP (16u << 20)

/* Before a block is compressed, so much of it, in pieces from all over it, is tried. If that does not shrink by one
 * part in SAMPLE_GAIN, the block is stored as it is: the gain would not be worth the time, which is that of the restart
 * too. For the same reason shuffling has to gain that much over plain compression. */
#define SAMPLE_PIECE 2048u
#define SAMPLE_COUNT 16u
#define SAMPLE_ALL   (SAMPLE_PIECE * SAMPLE_COUNT)
#define SAMPLE_GAIN  20u

/* What was shuffled is bytes of one place of numbers after those of another: there is little to be found between them,
 * and looking for it is what takes the time. Short matches are left out, the search skips ahead fast, and what is not
 * matched is still coded by how often each byte comes. On doubles of a smooth field with noise this is 1.4 to 1.8 times
 * as fast as level 1, for 12 % more bytes. */
#define PLANES_LEVEL        (-10)
#define PLANE_LOG           17 /* of BV_BLOCK_MAX / 8 */
#define LITERAL_COMPRESSION ZSTD_c_experimentalParam5

void bv_pack_start_writeback(struct bv_pack_writer *p)
{
    /* Advice only: a failure will show again at fsync. */
    sync_file_range(p->fd, (off_t)p->started, (off_t)(p->size - p->started), SYNC_FILE_RANGE_WRITE);
    p->started = p->size;
}

static int write_both(int fd, const void *a, size_t a_size, const void *b, size_t b_size)
{
    struct iovec v[2] = {{(void *)(uintptr_t)a, a_size}, {(void *)(uintptr_t)b, b_size}};
    ssize_t n = writev(fd, v, 2);
    if (n < 0 && errno != EINTR)
        return -1;
    size_t done = n < 0 ? 0 : (size_t)n;
    if (done < a_size)
        return bv_write_full(fd, (const char *)a + done, a_size - done) < 0 ? -1 : bv_write_full(fd, b, b_size);
    return bv_write_full(fd, (const char *)b + (done - a_size), b_size - (done - a_size));
}

static int put_header(struct bv_pack_writer *p, unsigned generation, uint64_t seed)
{
    static const uint8_t zero[BV_PACK_HEADER] = {0};
    autobuffer struct bv_buffer header = {0};
    bv_put(&header, BV_PACK_MAGIC, 8);
    bv_put_u32(&header, generation);
    bv_put_u32(&header, BV_BLOCK_MAX);
    bv_put_u64(&header, seed);
    bv_put(&header, zero, BV_PACK_HEADER - header.size);
    bv_digest_add(p->digest, header.bytes, header.size);
    p->size = header.size;
    return bv_write_full(p->fd, header.bytes, header.size);
}

int bv_pack_begin(struct bv_pack_writer *p, int dirfd, const char *name, unsigned generation, uint64_t seed)
{
    *p = (struct bv_pack_writer){.fd = -1};
    p->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (p->fd < 0)
        return -1;
    p->digest = bv_digest_begin();
    return put_header(p, generation, seed);
}

int bv_pack_put(struct bv_pack_writer *p, const uint8_t header[BV_BLOCK_HEADER], const void *stored, size_t size)
{
    if (write_both(p->fd, header, BV_BLOCK_HEADER, stored, size) < 0)
        return -1;
    bv_digest_add(p->digest, header, BV_BLOCK_HEADER);
    p->size += BV_BLOCK_HEADER + size;
    if (p->size - p->started >= WRITEBACK_STEP)
        bv_pack_start_writeback(p);
    return 0;
}

void bv_pack_complete(struct bv_pack_writer *p, struct bv_digest *ret)
{
    bv_digest_end(steal_ptr(&p->digest), ret);
}

void bv_pack_end(struct bv_pack_writer *p)
{
    close_fd(&p->fd);
    bv_digest_end(p->digest, NULL);
    *p = (struct bv_pack_writer){.fd = -1};
}

void bv_encoder_init(struct bv_encoder *e, int level)
{
    *e = (struct bv_encoder){.zstd = ZSTD_createCCtx(),
                             .planes = ZSTD_createCCtx(),
                             .sample = bv_alloc(SAMPLE_ALL),
                             .shuffled = bv_alloc(BV_BLOCK_MAX)};
    if (!e->zstd || !e->planes) {
        fputs("bivouac: out of memory\n", stderr);
        abort();
    }
    ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(e->planes, ZSTD_c_compressionLevel, level == 1 ? PLANES_LEVEL : level);
    ZSTD_CCtx_setParameter(e->planes, ZSTD_c_strategy, ZSTD_fast);
    ZSTD_CCtx_setParameter(e->planes, ZSTD_c_minMatch, 7);
    ZSTD_CCtx_setParameter(e->planes, ZSTD_c_windowLog, PLANE_LOG);
    ZSTD_CCtx_setParameter(e->planes, LITERAL_COMPRESSION, 1); /* a library without it compresses less, no more */
}

void bv_encoder_free(struct bv_encoder *e)
{
    ZSTD_freeCCtx(e->zstd);
    ZSTD_freeCCtx(e->planes);
    free(e->sample);
    free(e->shuffled);
    *e = (struct bv_encoder){0};
}

/* What `size` bytes shrink to; as much as they are if they do not. */
static size_t compress(ZSTD_CCtx *zstd, const uint8_t *raw, size_t size, uint8_t *out)
{
    size_t n = ZSTD_compress2(zstd, out, BV_STORED_ROOM, raw, size);
    return ZSTD_isError(n) || n > size ? size : n;
}

static enum bv_codec choose_codec(struct bv_encoder *e, const uint8_t *raw, size_t size, uint8_t *out)
{
    if (size < 4 * SAMPLE_ALL)
        return BV_CODEC_ZSTD;
    for (size_t i = 0; i < SAMPLE_COUNT; i++)
        memcpy(e->sample + i * SAMPLE_PIECE, raw + size / SAMPLE_COUNT / 8 * 8 * i, SAMPLE_PIECE);
    size_t plain = compress(e->zstd, e->sample, SAMPLE_ALL, out);
    bv_shuffle(e->sample, e->shuffled, SAMPLE_ALL);
    size_t shuffled = compress(e->planes, e->shuffled, SAMPLE_ALL, out);
    if (shuffled + SAMPLE_ALL / SAMPLE_GAIN < plain)
        return BV_CODEC_SHUFFLED;
    return plain + SAMPLE_ALL / SAMPLE_GAIN < SAMPLE_ALL ? BV_CODEC_ZSTD : BV_CODEC_RAW;
}

size_t bv_block_encode(struct bv_encoder *e, const uint8_t *raw, size_t size, const struct bv_digest *digest,
                       uint8_t *out, uint8_t header[BV_BLOCK_HEADER])
{
    enum bv_codec codec = choose_codec(e, raw, size, out);
    size_t n = size;
    if (codec == BV_CODEC_SHUFFLED) {
        bv_shuffle(raw, e->shuffled, size);
        n = compress(e->planes, e->shuffled, size, out);
    } else if (codec == BV_CODEC_ZSTD) {
        n = compress(e->zstd, raw, size, out);
    }
    if (n == size)
        codec = BV_CODEC_RAW;
    autobuffer struct bv_buffer h = {0};
    bv_put_u32(&h, (uint32_t)size);
    bv_put_u32(&h, (uint32_t)n);
    bv_put_u32(&h, codec);
    bv_put_u32(&h, 0);
    bv_put(&h, digest->bytes, sizeof(digest->bytes));
    memcpy(header, h.bytes, BV_BLOCK_HEADER);
    return codec == BV_CODEC_RAW ? 0 : n;
}
