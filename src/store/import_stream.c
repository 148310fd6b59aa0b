/* SPDX-License-Identifier: Apache-2.0 */
#include "store/import_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <archive_entry.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/space.h"

#define INPUT_STEP (256u << 10)

static int tell(struct bv_import_stream *s)
{
    s->is_told_off = s->watch && s->watch->tell(s->watch->arg, "reading", s->done, s->total) != 0;
    return s->is_told_off ? -1 : 0;
}

/* There is no callback to skip or to seek: a pipe can do neither. */
static la_ssize_t read_in(struct archive *a, void *arg, const void **ret)
{
    struct bv_import_stream *s = arg;
    ssize_t n;
    do
        n = read(s->fd, s->buffer, INPUT_STEP);
    while (n < 0 && errno == EINTR && tell(s) == 0);
    if (n < 0) {
        s->sys_errno = errno;
        archive_set_error(a, errno, "read");
        return -1;
    }
    *ret = s->buffer;
    return n;
}

/* What libarchive says is not passed on: it may quote the stream. */
static int fail_in(const struct bv_import_stream *s, struct bv_error *err)
{
    if (s->is_told_off)
        return bv_fail(err, BV_EINTERNAL, 0, "the import was interrupted");
    if (s->sys_errno)
        return bv_fail(err, BV_EINTERNAL, s->sys_errno, "cannot read the export");
    return bv_fail(err, BV_ECORRUPT, 0, "the export is cut off or damaged");
}

/* Go to the next member. A warning of libarchive is damage too: what we write gives none. */
static int next_member(struct bv_import_stream *s, struct bv_error *err)
{
    struct archive_entry *e;
    s->name[0] = '\0';
    int rc = archive_read_next_header(s->archive, &e);
    if (rc == ARCHIVE_EOF)
        return 0;
    if (rc != ARCHIVE_OK)
        return fail_in(s, err);
    const char *name = archive_entry_pathname(e);
    if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) || archive_entry_symlink(e) ||
        archive_entry_is_encrypted(e))
        return bv_fail(err, BV_ECORRUPT, 0, "the export has a member that is no regular file");
    if (!name || !name[0] || strlen(name) >= sizeof(s->name))
        return bv_fail(err, BV_ECORRUPT, 0, "the export has a member with a foreign name");
    if (!archive_entry_size_is_set(e) || archive_entry_size(e) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the export has a member without a size");
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->size = (uint64_t)archive_entry_size(e);
    return 0;
}

int bv_import_open(struct bv_import_stream *s, int fd, const struct bv_transfer_watch *watch, struct bv_error *err)
{
    *s = (struct bv_import_stream){.fd = fd, .watch = watch, .buffer = bv_alloc(INPUT_STEP)};
    s->digest = bv_digest_begin();
    s->archive = archive_read_new();
    /* Tar only and no filter: a decompressor would be one more parser of hostile bytes, and one that can blow up. */
    if (!s->archive || archive_read_support_format_tar(s->archive) != ARCHIVE_OK)
        return bv_fail(err, BV_EINTERNAL, ENOMEM, "cannot read an archive");
    if (archive_read_open(s->archive, s, NULL, read_in, NULL) == ARCHIVE_OK && next_member(s, NULL) == 0 && s->name[0])
        return 0;
    if (s->sys_errno || s->is_told_off)
        return fail_in(s, err);
    return bv_fail(err, BV_ECORRUPT, 0, "this is no export of Bivouac");
}

void bv_import_close(struct bv_import_stream *s)
{
    archive_read_free(s->archive);
    bv_digest_end(s->digest, NULL);
    free(s->buffer);
    *s = (struct bv_import_stream){.fd = -1};
}

/* The names that are expected are safe to print; the one that came is not. */
static int check_name(const struct bv_import_stream *s, const char *name, struct bv_error *err)
{
    if (bv_import_at(s, name))
        return 0;
    return bv_fail(err, BV_ECORRUPT, 0,
                   s->name[0] ? "the export has another member where '%s' belongs" : "the export ends before '%s'",
                   name);
}

/* Hand the member's bytes to `put`, and go to the next one. A sparse member has gaps between its blocks, and could make
 * much out of little: we write none. */
static int take(struct bv_import_stream *s, int (*put)(void *arg, uint64_t at, const void *bytes, size_t size),
                void *arg, struct bv_error *err)
{
    const void *bytes;
    size_t size;
    la_int64_t offset;
    uint64_t at = 0;
    int rc;
    bv_export_digest_member(s->digest, s->name, s->size);
    while ((rc = archive_read_data_block(s->archive, &bytes, &size, &offset)) == ARCHIVE_OK) {
        if (offset < 0 || (uint64_t)offset != at || size > s->size - at)
            return bv_fail(err, BV_ECORRUPT, 0, "the member '%s' of the export has another size than it says", s->name);
        bv_digest_add(s->digest, bytes, size);
        if (put(arg, at, bytes, size) < 0)
            return 1;
        at += size;
        s->done += size;
        if (tell(s) < 0)
            return fail_in(s, err);
    }
    if (rc != ARCHIVE_EOF)
        return fail_in(s, err);
    if (at != s->size)
        return bv_fail(err, BV_ECORRUPT, 0, "the member '%s' of the export has another size than it says", s->name);
    return next_member(s, err);
}

static int put_memory(void *arg, uint64_t at, const void *bytes, size_t size)
{
    if (size)
        memcpy((char *)arg + at, bytes, size);
    return 0;
}

int bv_import_take(struct bv_import_stream *s, const char *name, uint64_t max, char **ret, size_t *ret_size,
                   struct bv_error *err)
{
    if (check_name(s, name, err) < 0)
        return -1;
    if (s->size > max)
        return bv_fail(err, BV_ECORRUPT, 0, "the member '%s' of the export is impossibly large", name);
    size_t size = (size_t)s->size;
    autofree char *bytes = bv_alloc(size + 1);
    if (take(s, put_memory, bytes, err) != 0)
        return -1;
    *ret = steal_ptr(&bytes);
    *ret_size = size;
    return 0;
}

static int put_file(void *arg, uint64_t at, const void *bytes, size_t size)
{
    return bv_pwrite_full(*(const int *)arg, bytes, size, (off_t)at);
}

int bv_import_store(struct bv_import_stream *s, const char *name, uint64_t size, int dirfd, const char *file,
                    const char *what, struct bv_error *err)
{
    if (check_name(s, name, err) < 0)
        return -1;
    if (s->size != size)
        return bv_fail(err, BV_ECORRUPT, 0, "the member '%s' of the export has %llu bytes, its manifest says %llu",
                       name, (unsigned long long)s->size, (unsigned long long)size);
    autoclose int fd = openat(dirfd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return bv_fail_write(dirfd, errno, s->total - s->done, what, err);
    int rc = take(s, put_file, &fd, err);
    if (rc > 0 || (rc == 0 && fsync(fd) < 0))
        return bv_fail_write(dirfd, errno, s->total - s->done, what, err);
    return rc;
}

int bv_import_end(struct bv_import_stream *s, struct bv_error *err)
{
    struct bv_digest is, said;
    autofree char *text = NULL;
    size_t size;
    bv_digest_end(s->digest, &is);
    s->digest = bv_digest_begin(); /* this member is not covered by what it says */
    if (bv_import_take(s, BV_EXPORT_END, BV_DIGEST_TEXT, &text, &size, err) < 0)
        return -1;
    if (s->name[0])
        return bv_fail(err, BV_ECORRUPT, 0, "the export has a member behind its end");
    if (size != BV_DIGEST_TEXT || text[size - 1] != '\n')
        return bv_fail(err, BV_ECORRUPT, 0, "the export has no digest at its end");
    text[size - 1] = '\0';
    if (bv_digest_parse(text, &said) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the export has no digest at its end");
    if (!bv_digest_same(&is, &said))
        return bv_fail(err, BV_ECORRUPT, 0, "the export does not match the digest at its end");
    return 0;
}
