/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/bundle_format.h"
#include "store/digest.h"
#include "store/export_format.h"
#include "store/layout.h"
#include "store/space.h"

/* A file that has several names, and the first one under which it was written. */
struct link {
    dev_t dev;
    ino_t ino;
    char *name;
};

struct bv_bundle {
    int fd, sys_errno;
    struct archive *archive;
    XXH3_state_t *digest;
    struct link *links;
    size_t link_count;
};

/* --- the archive --- */

/* As in export.c: libarchive is not told of errors, since it loses memory then. */
static la_ssize_t write_out(struct archive *a, void *arg, const void *bytes, size_t size)
{
    struct bv_bundle *b = arg;
    (void)a;
    if (!b->sys_errno && bv_write_full(b->fd, bytes, size) < 0)
        b->sys_errno = errno;
    return (la_ssize_t)size;
}

static int fail_out(const struct bv_bundle *b, struct bv_error *err)
{
    return bv_fail_write(b->fd, b->sys_errno ? b->sys_errno : EIO, 0, "writing the checkpoint into one file", err);
}

static int put_header(struct bv_bundle *b, const char *name, const struct stat *st, const char *link_to,
                      const char *symlink_to, struct bv_error *err)
{
    struct archive_entry *e = archive_entry_new();
    if (!e)
        return bv_fail(err, BV_EINTERNAL, ENOMEM, "cannot write an archive");
    archive_entry_set_pathname(e, name);
    archive_entry_set_filetype(e, st->st_mode & S_IFMT);
    archive_entry_set_perm(e, st->st_mode & 07777);
    archive_entry_set_mtime(e, st->st_mtim.tv_sec, 0);
    archive_entry_set_size(e, S_ISREG(st->st_mode) && !link_to ? st->st_size : 0);
    if (link_to)
        archive_entry_set_hardlink(e, link_to);
    if (symlink_to)
        archive_entry_set_symlink(e, symlink_to);
    int rc = archive_write_header(b->archive, e);
    archive_entry_free(e);
    const char *to = link_to ? link_to : symlink_to ? symlink_to : "";
    bv_export_digest_member(b->digest, name, S_ISREG(st->st_mode) && !link_to ? (uint64_t)st->st_size : 0);
    bv_digest_add(b->digest, to, strlen(to) + 1);
    return rc == ARCHIVE_OK && !b->sys_errno ? 0 : fail_out(b, err);
}

static int put_bytes(struct bv_bundle *b, const void *bytes, size_t size, struct bv_error *err)
{
    bv_digest_add(b->digest, bytes, size);
    if (size && (archive_write_data(b->archive, bytes, size) != (la_ssize_t)size || b->sys_errno))
        return fail_out(b, err);
    return 0;
}

static int put_text(struct bv_bundle *b, const char *name, const char *text, struct bv_error *err)
{
    struct stat st = {.st_mode = S_IFREG | 0600, .st_size = (off_t)strlen(text)};
    return put_header(b, name, &st, NULL, NULL, err) < 0 ? -1 : put_bytes(b, text, strlen(text), err);
}

/* --- files --- */

/* The name under which this file has been written already; NULL if it has not. */
static const char *written_as(struct bv_bundle *b, const char *name, const struct stat *st)
{
    if (st->st_nlink < 2)
        return NULL;
    for (size_t i = 0; i < b->link_count; i++)
        if (b->links[i].dev == st->st_dev && b->links[i].ino == st->st_ino)
            return b->links[i].name;
    b->links = bv_realloc(b->links, b->link_count + 1, sizeof(*b->links));
    b->links[b->link_count++] = (struct link){st->st_dev, st->st_ino, bv_strdup(name)};
    return NULL;
}

/* With `consume`, what has been written is taken away behind us. */
static int put_content(struct bv_bundle *b, int fd, const char *name, uint64_t size, int consume, struct bv_error *err)
{
    autofree char *buffer = bv_alloc(BV_BUNDLE_STEP);
    for (uint64_t at = 0; at < size;) {
        size_t want = size - at < BV_BUNDLE_STEP ? (size_t)(size - at) : BV_BUNDLE_STEP;
        ssize_t n = bv_pread_full(fd, buffer, want, (off_t)at);
        if (n < 0)
            return bv_fail(err, BV_ESTORE, errno, "cannot read %s", name);
        if ((size_t)n < want)
            return bv_fail(err, BV_ECORRUPT, 0, "%s was cut off while it was read", name);
        if (put_bytes(b, buffer, want, err) < 0)
            return -1;
        if (consume && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)want) < 0)
            consume = 0; /* not on this file system */
        at += want;
    }
    return 0;
}

static int put_file(struct bv_bundle *b, int dirfd, const char *entry, const char *name, int consume,
                    struct bv_error *err)
{
    struct stat st;
    autoclose int fd =
        openat(dirfd, entry, (consume ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : BV_ESTORE, errno, "cannot open %s", name);
    const char *link = consume ? written_as(b, name, &st) : NULL;
    if (put_header(b, name, &st, link, NULL, err) < 0)
        return -1;
    return link ? 0 : put_content(b, fd, name, (uint64_t)st.st_size, consume, err);
}

static int put_symlink(struct bv_bundle *b, int dirfd, const char *entry, const char *name, const struct stat *st,
                       struct bv_error *err)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dirfd, entry, target, sizeof(target) - 1);
    if (n < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot read the link %s", name);
    target[n] = '\0';
    return put_header(b, name, st, NULL, target, err);
}

static int put_directory(struct bv_bundle *b, int dirfd_owned, const char *prefix, int consume,
                         int (*is_skipped)(const char *name), int depth, struct bv_error *err);

static int put_entry(struct bv_bundle *b, int dirfd, const char *entry, const char *prefix, int consume, int depth,
                     struct bv_error *err)
{
    struct stat st;
    autofree char *name = bv_asprintf("%s%s", prefix, entry);
    if (fstatat(dirfd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot stat %s", name);
    if (S_ISREG(st.st_mode))
        return put_file(b, dirfd, entry, name, consume, err);
    if (S_ISLNK(st.st_mode))
        return put_symlink(b, dirfd, entry, name, &st, err);
    if (!S_ISDIR(st.st_mode))
        return 0; /* sockets and fifos are of no use to anybody elsewhere */
    int sub = bv_dir_open(dirfd, entry);
    if (sub < 0)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : BV_ESTORE, errno, "cannot open %s", name);
    autofree char *below = bv_asprintf("%s/", name);
    if (put_header(b, below, &st, NULL, NULL, err) < 0) {
        close(sub);
        return -1;
    }
    return put_directory(b, sub, below, consume, NULL, depth + 1, err);
}

/* Sorted, so that what is cut off is always the last. */
static int put_directory(struct bv_bundle *b, int dirfd_owned, const char *prefix, int consume,
                         int (*is_skipped)(const char *name), int depth, struct bv_error *err)
{
    autoclose int fd = dirfd_owned;
    struct dirent **list = NULL;
    int n = depth > BV_BUNDLE_DEPTH ? -1 : scandirat(fd, ".", &list, NULL, alphasort);
    int rc = n < 0 ? bv_fail(err, BV_ESTORE, errno, "cannot list %s", prefix) : 0;
    for (int i = 0; i < n; i++) {
        const char *entry = list[i]->d_name;
        int skip = strcmp(entry, ".") == 0 || strcmp(entry, "..") == 0 || (is_skipped && is_skipped(entry));
        if (rc == 0 && !skip)
            rc = put_entry(b, fd, entry, prefix, consume, depth, err);
        free(list[i]);
    }
    free(list);
    return rc;
}

/* --- the parts --- */

/* Not generations, which come behind all others; not what crashes leave; not what a roll-back has kept aside. */
static int is_no_record(const char *name)
{
    unsigned number;
    return name[0] == '.' || strcmp(name, "kept") == 0 || bv_is_generation(name, &number);
}

static int is_no_generation(const char *name)
{
    unsigned number;
    return !bv_is_generation(name, &number);
}

int bv_bundle_add_job(struct bv_bundle *b, const struct bv_job *j, struct bv_error *err)
{
    for (int i = 0; i < 2; i++) {
        int fd = bv_dir_open(j->dirfd, ".");
        if (fd < 0)
            return bv_fail(err, BV_ESTORE, errno, "cannot open job %s", j->id);
        if (put_directory(b, fd, BV_BUNDLE_JOB, i == 1, i == 0 ? is_no_record : is_no_generation, 0, err) < 0)
            return -1;
    }
    return 0;
}

int bv_bundle_add_files(struct bv_bundle *b, int dirfd, int (*is_skipped)(const char *name), struct bv_error *err)
{
    int fd = bv_dir_open(dirfd, ".");
    if (fd < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot open the directory");
    return put_directory(b, fd, BV_BUNDLE_FILES, 0, is_skipped, 0, err);
}

int bv_bundle_create(int fd, const json_t *head, struct bv_bundle **ret, struct bv_error *err)
{
    struct bv_bundle *b = bv_alloc(sizeof(*b));
    autojson json_t *full = json_deep_copy(head);
    bv_json_set(full, "format", json_string(BV_BUNDLE_FORMAT));
    autofree char *text = bv_json_canonical(full);
    b->fd = fd;
    b->digest = bv_digest_begin();
    b->archive = archive_write_new();
    if (!b->archive || archive_write_set_format_pax_restricted(b->archive) != ARCHIVE_OK ||
        archive_write_add_filter_none(b->archive) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(b->archive, 1) != ARCHIVE_OK ||
        archive_write_open(b->archive, b, NULL, write_out, NULL) != ARCHIVE_OK ||
        put_text(b, BV_BUNDLE_HEAD, text, NULL) < 0) {
        int rc = fail_out(b, err);
        bv_bundle_end(b, 1, NULL);
        return rc;
    }
    *ret = b;
    return 0;
}

static int put_end(struct bv_bundle *b, struct bv_error *err)
{
    struct bv_digest digest;
    char text[BV_DIGEST_TEXT];
    bv_digest_end(b->digest, &digest);
    b->digest = bv_digest_begin(); /* of nothing: what is written from here on is not covered */
    bv_digest_text(&digest, text);
    if (put_text(b, BV_BUNDLE_END, text, err) < 0)
        return -1;
    if (archive_write_close(b->archive) != ARCHIVE_OK || b->sys_errno)
        return fail_out(b, err);
    return fsync(b->fd) < 0 ? bv_fail(err, bv_store_code(errno), errno, "cannot sync the checkpoint's file") : 0;
}

int bv_bundle_end(struct bv_bundle *b, int give_up, struct bv_error *err)
{
    int rc = give_up ? 0 : put_end(b, err);
    archive_write_free(b->archive);
    bv_digest_end(b->digest, NULL);
    for (size_t i = 0; i < b->link_count; i++)
        free(b->links[i].name);
    free(b->links);
    free(b);
    return rc;
}
