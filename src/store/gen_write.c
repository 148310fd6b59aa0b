/* SPDX-License-Identifier: Apache-2.0 */
#include "store/generation.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/index.h"
#include "store/layout.h"
#include "store/manifest.h"
#include "store/pack_write.h"
#include "store/space.h"

#define DEFAULT_LEVEL 1

struct bv_gen_writer {
    int jobfd; /* a duplicate */
    int dirfd; /* the uncommitted directory */
    char job[BV_JOB_ID_MAX + 1];
    char what[BV_JOB_ID_MAX + 64]; /* "writing generation 7 of job J" */
    unsigned generation, attempt;
    uint64_t expected; /* raw bytes in all, 0 = not known */
    uint8_t *chunk;    /* what was read of a stream, BV_BLOCK_MAX */
    struct bv_pack_writer pack;
    struct bv_index index;
    struct bv_gen_stats stats;
    int failed, finished;
};

/* A failed write: say how much room was missing. `left` raw bytes of the stream at hand are unwritten; what they will
 * need is guessed from how well the bytes before them were compressed. */
static int no_room(struct bv_gen_writer *w, int sys_errno, uint64_t left, struct bv_error *err)
{
    uint64_t done = w->stats.raw_bytes;
    if (w->expected > done && w->expected - done > left)
        left = w->expected - done;
    left += w->pack.raw_used;
    if (done > 16 * BV_BLOCK_MAX && w->pack.size < done)
        left = (uint64_t)((double)left * (double)w->pack.size / (double)done);
    return bv_fail_write(w->dirfd, sys_errno, left, w->what, err);
}

static int create_files(struct bv_gen_writer *w, int level, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    bv_uncommitted_name(w->generation, w->attempt, name);
    /* A writer of this attempt may have died here before. */
    if (bv_remove_tree(w->jobfd, name, err) < 0)
        return -1;
    w->dirfd = bv_dir_create(w->jobfd, name);
    if (w->dirfd < 0)
        return bv_fail_write(w->jobfd, errno, w->expected, w->what, err);
    if (bv_pack_begin(&w->pack, w->dirfd, BV_PACK_FILE, w->generation, level) < 0)
        return no_room(w, errno, 0, err);
    bv_fault_point("checkpoint-pack-open");
    return 0;
}

int bv_gen_writer_open(const struct bv_job *j, unsigned number, unsigned attempt, const struct bv_gen_options *options,
                       struct bv_gen_writer **ret, struct bv_error *err)
{
    if (number == 0 || number > BV_GENERATION_MAX || attempt > BV_ATTEMPT_MAX)
        return bv_fail(err, BV_EINTERNAL, 0, "generation %u of attempt %u is out of range", number, attempt);

    struct bv_gen_writer *w = bv_alloc(sizeof(*w));
    *w = (struct bv_gen_writer){.dirfd = -1, .pack.fd = -1, .generation = number, .attempt = attempt};
    w->expected = options ? options->expected_bytes : 0;
    w->chunk = bv_alloc(BV_BLOCK_MAX);
    snprintf(w->job, sizeof(w->job), "%s", j->id);
    snprintf(w->what, sizeof(w->what), "writing generation %u of job %s", number, j->id);
    bv_index_init(&w->index, number);
    w->index.packs = bv_alloc(sizeof(*w->index.packs));
    w->index.pack_count = 1;
    w->index.packs[0] = (struct bv_pack_ref){.generation = number, .name = BV_PACK_FILE};

    w->jobfd = fcntl(j->dirfd, F_DUPFD_CLOEXEC, 0);
    int rc = w->jobfd < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot duplicate a descriptor")
                          : create_files(w, options && options->level ? options->level : DEFAULT_LEVEL, err);
    if (rc < 0) {
        bv_gen_writer_close(w);
        return -1;
    }
    *ret = w;
    return 0;
}

/* The words are compared as a whole; most pages that are not zero differ in the first few. */
static int is_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Put data pages into the pack. -1 with errno. */
static int put_data(struct bv_gen_writer *w, const uint8_t *p, size_t size)
{
    while (size) {
        struct bv_extent e = {.pack = 0};
        ssize_t n = bv_pack_append(&w->pack, p, size, &e.offset, &e.skip);
        if (n < 0)
            return -1;
        e.length = (uint64_t)n;
        bv_index_bytes(&w->index, e);
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Sort pages into zeros and data, whole runs of data at a time. -1 with errno. */
static int put_pages(struct bv_gen_writer *w, const uint8_t *p, size_t size)
{
    size_t data = 0; /* bytes of data in front of `at` not yet put */
    for (size_t at = 0; at < size;) {
        size_t n = size - at < BV_PAGE_SIZE ? size - at : BV_PAGE_SIZE;
        if (is_zero(p + at, n)) {
            if (put_data(w, p + at - data, data) < 0)
                return -1;
            bv_index_zeros(&w->index, n);
            w->stats.zero_bytes += n;
            data = 0;
        } else {
            data += n;
        }
        at += n;
    }
    return put_data(w, p + size - data, data);
}

/* The next part [*begin, *end) at or behind `at` that may hold data, in whole pages. Where the file system cannot tell,
 * all of it. */
static void next_data(int fd, uint64_t at, uint64_t size, uint64_t *begin, uint64_t *end)
{
    *begin = at;
    *end = size;
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);
    if (data < 0) {
        if (errno == ENXIO)
            *begin = size;
        return;
    }
    off_t hole = lseek(fd, data, SEEK_HOLE);
    *begin = (uint64_t)data - (uint64_t)data % BV_PAGE_SIZE;
    if (*begin < at)
        *begin = at;
    if (*begin > size)
        *begin = size;
    if (hole > data && (uint64_t)hole < size)
        *end = ((uint64_t)hole + BV_PAGE_SIZE - 1) / BV_PAGE_SIZE * BV_PAGE_SIZE;
    if (*end > size)
        *end = size;
}

static int check_size(int fd, const char *name, uint64_t size, struct bv_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot stat %s", name);
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < size)
        return bv_fail(err, BV_ECHANGED, 0, "%s has %lld bytes, not the %llu expected: it was cut off meanwhile", name,
                       (long long)st.st_size, (unsigned long long)size);
    return 0;
}

static int add_bytes(struct bv_gen_writer *w, const char *name, int fd, uint64_t size, struct bv_error *err)
{
    uint64_t begin, end;
    for (uint64_t at = 0; at < size;) {
        next_data(fd, at, size, &begin, &end);
        bv_index_zeros(&w->index, begin - at);
        w->stats.zero_bytes += begin - at;
        for (at = begin; at < end;) {
            size_t want = end - at < BV_BLOCK_MAX ? (size_t)(end - at) : BV_BLOCK_MAX;
            ssize_t n = bv_pread_full(fd, w->chunk, want, (off_t)at);
            if (n < 0)
                return bv_fail(err, BV_EINTERNAL, errno, "cannot read %s", name);
            if ((size_t)n < want)
                return bv_fail(err, BV_ECHANGED, 0, "%s ended at %llu of %llu bytes while it was read", name,
                               (unsigned long long)at + (unsigned long long)n, (unsigned long long)size);
            if (put_pages(w, w->chunk, want) < 0)
                return no_room(w, errno, size - at, err);
            at += want;
            w->stats.raw_bytes += want;
        }
    }
    /* A hole that was "found" behind the new end of a file that shrank meanwhile is none. */
    return check_size(fd, name, size, err);
}

int bv_gen_writer_add(struct bv_gen_writer *w, const char *name, int fd, uint64_t size, struct bv_error *err)
{
    int64_t begin = bv_clock_ns(CLOCK_MONOTONIC);
    if (w->failed || w->finished)
        return bv_fail(err, BV_EINTERNAL, 0, "%s has failed or is finished", w->what);
    if (size > BV_SIZE_LIMIT)
        return bv_fail(err, BV_EINTERNAL, 0, "stream %s is impossibly large", name);
    if (bv_index_stream(&w->index, name, err) < 0)
        return -1;

    uint64_t before = w->stats.raw_bytes;
    if (check_size(fd, name, size, err) < 0 || add_bytes(w, name, fd, size, err) < 0) {
        w->failed = 1;
        return -1;
    }
    w->stats.raw_bytes = before + size;
    w->stats.write_ns += bv_clock_ns(CLOCK_MONOTONIC) - begin;
    if (w->stats.streams++ == 0)
        bv_fault_point("checkpoint-pack-half");
    return 0;
}

static int sync_pack(struct bv_gen_writer *w, struct bv_error *err)
{
    struct bv_pack_ref *ref = &w->index.packs[0];
    if (bv_pack_flush(&w->pack, &ref->digest) < 0)
        return no_room(w, errno, 0, err);
    ref->size = w->pack.size;
    bv_fault_point("checkpoint-packed");

    int64_t begin = bv_clock_ns(CLOCK_MONOTONIC);
    if (fsync(w->pack.fd) < 0)
        return no_room(w, errno, 0, err);
    w->stats.sync_ns += bv_clock_ns(CLOCK_MONOTONIC) - begin;
    return 0;
}

static int write_index(struct bv_gen_writer *w, struct bv_file_ref *ret, struct bv_error *err)
{
    autobuffer struct bv_buffer bytes = {0};
    bv_index_encode(&w->index, &bytes);
    if (bytes.size > BV_INDEX_MAX)
        return bv_fail(err, BV_ESTORE, 0, "%s would need an index of %zu bytes, more than the %u allowed", w->what,
                       bytes.size, BV_INDEX_MAX);

    autoclose int fd = openat(w->dirfd, BV_INDEX_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || bv_write_full(fd, bytes.bytes, bytes.size) < 0 || fsync(fd) < 0)
        return bv_fail_write(w->dirfd, errno, bytes.size, w->what, err);
    ret->size = bytes.size;
    ret->digest = bv_digest_of(bytes.bytes, bytes.size);
    return 0;
}

static int write_manifest(struct bv_gen_writer *w, const struct bv_file_ref *index, const json_t *content,
                          struct bv_error *err)
{
    const struct bv_pack_ref *ref = &w->index.packs[0];
    struct bv_file_ref pack = {.size = ref->size, .digest = ref->digest};
    snprintf(pack.name, sizeof(pack.name), "%s", ref->name);
    struct bv_manifest m = {.job = w->job, .generation = w->generation, .attempt = w->attempt};
    m.index = *index;
    m.packs = &pack;
    m.pack_count = 1;

    autofree char *text = bv_manifest_build(&m, &w->stats, content);
    size_t size = strlen(text);
    struct bv_error why = {0};
    if (size > BV_MANIFEST_MAX)
        return bv_fail(err, BV_ESTORE, 0, "%s would need a manifest of %zu bytes, more than the %u allowed", w->what,
                       size, BV_MANIFEST_MAX);
    /* This syncs the directory too, and with it the names of pack and index. */
    if (bv_publish(w->dirfd, BV_MANIFEST_FILE, text, size, 0, &why) < 0) {
        if (why.sys_errno == 0)
            return bv_fail(err, why.code, 0, "%s: %s", w->what, why.text);
        return bv_fail_write(w->dirfd, why.sys_errno, size, w->what, err);
    }
    bv_fault_point("checkpoint-manifest");
    return 0;
}

int bv_gen_writer_finish(struct bv_gen_writer *w, const json_t *content, struct bv_gen_stats *ret, struct bv_error *err)
{
    struct bv_file_ref index = {.name = BV_INDEX_FILE};
    if (w->failed || w->finished)
        return bv_fail(err, BV_EINTERNAL, 0, "%s has failed or is finished", w->what);
    if (content && !json_is_object(content))
        return bv_fail(err, BV_EINTERNAL, 0, "the content of a generation is no object");

    w->failed = 1; /* until all is done */
    if (sync_pack(w, err) < 0)
        return -1;
    int64_t begin = bv_clock_ns(CLOCK_MONOTONIC);
    if (write_index(w, &index, err) < 0)
        return -1;
    w->stats.stored_bytes = w->index.packs[0].size + index.size;
    if (write_manifest(w, &index, content, err) < 0)
        return -1;
    w->stats.sync_ns += bv_clock_ns(CLOCK_MONOTONIC) - begin;
    w->failed = 0;
    w->finished = 1;
    if (ret)
        *ret = w->stats;
    return 0;
}

void bv_gen_writer_close(struct bv_gen_writer *w)
{
    if (!w)
        return;
    bv_pack_end(&w->pack);
    bv_index_free(&w->index);
    close_fd(&w->dirfd);
    if (!w->finished && w->jobfd >= 0) {
        char name[BV_LAYOUT_NAME];
        bv_uncommitted_name(w->generation, w->attempt, name);
        bv_remove_tree(w->jobfd, name, NULL);
    }
    close_fd(&w->jobfd);
    free(w->chunk);
    free(w);
}
