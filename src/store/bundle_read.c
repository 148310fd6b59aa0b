/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

#define INPUT_STEP (256u << 10)

struct in {
    int fd, sys_errno, is_hole_free;
    off_t at, punched;
    struct archive *archive;
    uint8_t *buffer;
    XXH3_state_t *digest;
    const struct bv_bundle_read *how;
    json_t *head;
    int jobfd; /* hidden yet, -1 before its first member */
    char hidden[NAME_MAX + 1];
    int has_record;
};

/* libarchive has done with what it was given when it asks for more. */
static void take_away(struct in *in)
{
    if (!in->is_hole_free && in->at > in->punched &&
        fallocate(in->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, in->punched, in->at - in->punched) < 0)
        in->is_hole_free = 1; /* not on this file system */
    in->punched = in->at;
}

static la_ssize_t read_in(struct archive *a, void *arg, const void **ret)
{
    struct in *in = arg;
    ssize_t n;
    take_away(in);
    do
        n = pread(in->fd, in->buffer, INPUT_STEP, in->at);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        in->sys_errno = errno;
        archive_set_error(a, errno, "read");
        return -1;
    }
    in->at += n;
    *ret = in->buffer;
    return n;
}

static int damaged(struct bv_error *err, const char *what)
{
    return bv_fail(err, BV_ECORRUPT, 0, "%s", what);
}

static int fail_in(const struct in *in, struct bv_error *err)
{
    if (in->sys_errno)
        return bv_fail(err, BV_ESTORE, in->sys_errno, "cannot read the checkpoint's file");
    return damaged(err, "it is cut off or damaged");
}

/* --- members --- */

/* Hand the member's bytes to `put`; a sparse one could make much out of little, and we write none. */
static int each_block(struct in *in, uint64_t size, int (*put)(void *arg, uint64_t at, const void *bytes, size_t n),
                      void *arg, struct bv_error *err)
{
    const void *bytes;
    size_t n;
    la_int64_t offset;
    uint64_t at = 0;
    int rc;
    while ((rc = archive_read_data_block(in->archive, &bytes, &n, &offset)) == ARCHIVE_OK) {
        if (offset < 0 || (uint64_t)offset != at || n > size - at)
            return damaged(err, "a member has another size than it says");
        bv_digest_add(in->digest, bytes, n);
        if (n && put(arg, at, bytes, n) < 0)
            return 1;
        at += n;
    }
    if (rc != ARCHIVE_EOF)
        return fail_in(in, err);
    return at == size ? 0 : damaged(err, "a member has another size than it says");
}

static int put_memory(void *arg, uint64_t at, const void *bytes, size_t n)
{
    memcpy((char *)arg + at, bytes, n);
    return 0;
}

static int put_file(void *arg, uint64_t at, const void *bytes, size_t n)
{
    return bv_pwrite_full(*(const int *)arg, bytes, n, (off_t)at);
}

static int take_text(struct in *in, const char *name, uint64_t size, char **ret, struct bv_error *err)
{
    if (size > BV_BUNDLE_HEAD_MAX)
        return damaged(err, "a member is impossibly large");
    autofree char *text = bv_alloc((size_t)size + 1);
    bv_export_digest_member(in->digest, name, size);
    bv_digest_add(in->digest, "", 1);
    if (each_block(in, size, put_memory, text, err) != 0)
        return -1;
    *ret = steal_ptr(&text);
    return 0;
}

/* "a/b/c", without anything that leads elsewhere. */
static int is_clean(const char *path)
{
    autofree char *absolute = bv_asprintf("/%s", path);
    return path[0] && bv_is_clean_path(absolute);
}

/* The directory in `base` that `path` is in; no link is followed. *ret_name is the rest of the path. */
static int open_parent(int base, const char *path, const char **ret_name)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    const char *slash = strrchr(path, '/');
    autofree char *parent = slash ? bv_strndup(path, (size_t)(slash - path)) : bv_strdup(".");
    *ret_name = slash ? slash + 1 : path;
    return (int)syscall(SYS_openat2, base, parent, &how, sizeof(how));
}

static int make_link(int base, const char *to, int parent, const char *name, struct bv_error *err)
{
    const char *target;
    if (strncmp(to, BV_BUNDLE_JOB, strlen(BV_BUNDLE_JOB)) != 0 || !is_clean(to))
        return damaged(err, "a member is a link to somewhere else");
    autoclose int dir = open_parent(base, to + strlen(BV_BUNDLE_JOB), &target);
    if (dir < 0 || linkat(dir, target, parent, name, 0) < 0)
        return damaged(err, "a member is a link to one that is not there");
    return 0;
}

static int make_file(struct in *in, struct archive_entry *e, int parent, const char *name, struct bv_error *err)
{
    unlinkat(parent, name, 0);
    autoclose int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create %s", name);
    int rc = each_block(in, (uint64_t)archive_entry_size(e), put_file, &fd, err);
    if (rc > 0)
        return bv_fail_write(fd, errno, 0, "unpacking the checkpoint", err);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = archive_entry_mtime(e)}};
    if (rc == 0 && (fchmod(fd, archive_entry_perm(e) & 07777) < 0 || futimens(fd, times) < 0))
        return bv_fail(err, BV_ESTORE, errno, "cannot set the mode of %s", name);
    return rc;
}

static int make_member(struct in *in, struct archive_entry *e, int base, const char *path, int is_job,
                       struct bv_error *err)
{
    const char *name, *link = archive_entry_hardlink(e), *symlink_to = archive_entry_symlink(e);
    mode_t type = archive_entry_filetype(e);
    autofree char *plain = bv_strdup(path);
    size_t n = strlen(plain);
    if (type == AE_IFDIR && n && plain[n - 1] == '/')
        plain[n - 1] = '\0';
    if (!is_clean(plain))
        return damaged(err, "a member has a foreign name");
    autoclose int parent = open_parent(base, plain, &name);
    if (parent < 0)
        return damaged(err, "a member is in a directory that is not there");
    if (link)
        return is_job ? make_link(base, link, parent, name, err) : damaged(err, "a member is a hard link");
    if (type == AE_IFREG)
        return make_file(in, e, parent, name, err);
    if (type == AE_IFDIR) {
        mode_t mode = is_job ? 0700 : (archive_entry_perm(e) & 07777) | 0700;
        return mkdirat(parent, name, mode) < 0 && errno != EEXIST
                   ? bv_fail(err, bv_store_code(errno), errno, "cannot create the directory %s", name)
                   : 0;
    }
    if (type != AE_IFLNK || is_job || !symlink_to)
        return damaged(err, "a member is of a foreign kind");
    unlinkat(parent, name, 0);
    return symlinkat(symlink_to, parent, name) < 0
               ? bv_fail(err, bv_store_code(errno), errno, "cannot create the link %s", name)
               : 0;
}

/* --- the job --- */

static int make_hidden(struct in *in, struct bv_error *err)
{
    uint64_t random;
    struct stat st;
    if (fstatat(in->how->store->jobsfd, in->how->job, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return bv_fail(err, BV_EBUSY, 0, "the store has a job %s already", in->how->job);
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get random bytes");
    snprintf(in->hidden, sizeof(in->hidden), ".import-%s.%016llx", in->how->job, (unsigned long long)random);
    in->jobfd = bv_dir_create(in->how->store->jobsfd, in->hidden);
    return in->jobfd < 0 ? bv_fail(err, bv_store_code(errno), errno, "cannot create a directory in the store") : 0;
}

/* Where the member belongs: -1 for one that is not known. */
static int base_of(struct in *in, const char *name, const char **ret_path, int *ret_is_job, struct bv_error *err)
{
    *ret_is_job = strncmp(name, BV_BUNDLE_JOB, strlen(BV_BUNDLE_JOB)) == 0;
    if (*ret_is_job) {
        *ret_path = name + strlen(BV_BUNDLE_JOB);
        if (**ret_path == '.')
            return damaged(err, "a member has a foreign name");
        if (in->jobfd < 0 && make_hidden(in, err) < 0)
            return -1;
        in->has_record |= strcmp(*ret_path, "job.json") == 0;
        return in->jobfd;
    }
    if (strncmp(name, BV_BUNDLE_FILES, strlen(BV_BUNDLE_FILES)) != 0 || in->how->files < 0)
        return damaged(err, "a member has a foreign name");
    *ret_path = name + strlen(BV_BUNDLE_FILES);
    return in->how->files;
}

static int take_end(struct in *in, uint64_t size, struct bv_error *err)
{
    struct bv_digest is, said;
    autofree char *text = NULL;
    bv_digest_end(in->digest, &is);
    in->digest = bv_digest_begin();
    if (take_text(in, BV_BUNDLE_END, size, &text, err) < 0)
        return -1;
    if (bv_digest_parse(text, &said) < 0 || !bv_digest_same(&is, &said))
        return damaged(err, "it does not match the digest at its end");
    return 0;
}

/* 1 when it was the end. */
static int take_member(struct in *in, struct archive_entry *e, struct bv_error *err)
{
    const char *name = archive_entry_pathname(e), *path = NULL;
    const char *link = archive_entry_hardlink(e), *to = link ? link : archive_entry_symlink(e);
    int is_job;
    if (!name || archive_entry_size(e) < 0 || archive_entry_is_encrypted(e))
        return damaged(err, "a member has no name or size");
    if (strcmp(name, BV_BUNDLE_END) == 0)
        return take_end(in, (uint64_t)archive_entry_size(e), err) < 0 ? -1 : 1;
    int base = base_of(in, name, &path, &is_job, err);
    if (base < 0)
        return -1;
    bv_export_digest_member(in->digest, name,
                            archive_entry_filetype(e) == AE_IFREG && !link ? (uint64_t)archive_entry_size(e) : 0);
    bv_digest_add(in->digest, to ? to : "", to ? strlen(to) + 1 : 1);
    return make_member(in, e, base, path, is_job, err);
}

static int take_members(struct in *in, struct bv_error *err)
{
    struct archive_entry *e;
    for (;;) {
        int rc = archive_read_next_header(in->archive, &e);
        if (rc != ARCHIVE_OK)
            return rc == ARCHIVE_EOF ? damaged(err, "it ends too early") : fail_in(in, err);
        rc = take_member(in, e, err);
        if (rc != 0)
            return rc > 0 ? 0 : -1;
    }
}

/* --- the whole --- */

static int take_head(struct in *in, struct bv_error *err)
{
    struct archive_entry *e;
    autofree char *text = NULL;
    const char *format, *job;
    if (archive_read_next_header(in->archive, &e) != ARCHIVE_OK)
        return fail_in(in, err);
    const char *name = archive_entry_pathname(e);
    if (!name || strcmp(name, BV_BUNDLE_HEAD) != 0 || archive_entry_size(e) < 0)
        return damaged(err, "it is no checkpoint of Bivouac");
    if (take_text(in, BV_BUNDLE_HEAD, (uint64_t)archive_entry_size(e), &text, err) < 0 ||
        bv_json_parse(text, strlen(text), &in->head, err) < 0)
        return -1;
    if (!json_is_object(in->head) || bv_json_str(in->head, "format", &format, err) < 0 ||
        bv_json_str(in->head, "job", &job, err) < 0)
        return damaged(err, "its head makes no sense");
    if (strcmp(format, BV_BUNDLE_FORMAT) != 0)
        return bv_fail(err, strncmp(format, "bivouac-bundle ", 15) == 0 ? BV_ESTORE : BV_ECORRUPT, 0,
                       "it has another format than this version of Bivouac reads (1)");
    if (strcmp(job, in->how->job) != 0)
        return bv_fail(err, BV_ECORRUPT, 0, "it is of another job than %s", in->how->job);
    return 0;
}

static int commit(struct in *in, struct bv_error *err)
{
    if (in->jobfd < 0)
        return 0;
    if (!in->has_record)
        return damaged(err, "it has no record of the job");
    if (mkdirat(in->jobfd, "attempts", 0700) < 0 && errno != EEXIST)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create a directory in the store");
    if (bv_dir_rename_new(in->how->store->jobsfd, in->hidden, in->how->job) < 0)
        return bv_fail(err, errno == EEXIST ? BV_EBUSY : BV_ESTORE, errno, "cannot put job %s into the store",
                       in->how->job);
    in->hidden[0] = '\0';
    return 0;
}

static int read_all(struct in *in, struct bv_error *ret_damage, struct bv_error *err)
{
    struct bv_error e = {0};
    in->archive = archive_read_new();
    /* Tar only, and no filter: a decompressor would be one more parser of hostile bytes. */
    if (!in->archive || archive_read_support_format_tar(in->archive) != ARCHIVE_OK)
        return bv_fail(err, BV_EINTERNAL, ENOMEM, "cannot read an archive");
    if (archive_read_open(in->archive, in, NULL, read_in, NULL) != ARCHIVE_OK)
        return fail_in(in, err);
    if (take_head(in, err) < 0)
        return -1;
    if (take_members(in, &e) < 0 && (e.code != BV_ECORRUPT || !in->has_record))
        return bv_fail(err, e.code, 0, "%s", e.text);
    if (commit(in, err) < 0)
        return -1;
    *ret_damage = e;
    return 0;
}

int bv_bundle_read(int fd, const struct bv_bundle_read *how, json_t **ret_head, struct bv_error *ret_damage,
                   struct bv_error *err)
{
    struct in in = {.fd = fd, .how = how, .jobfd = -1, .buffer = bv_alloc(INPUT_STEP), .digest = bv_digest_begin()};
    int rc = bv_job_id_check(how->job, err) < 0 ? -1 : read_all(&in, ret_damage, err);
    if (rc == 0)
        *ret_head = json_incref(in.head);
    archive_read_free(in.archive);
    bv_digest_end(in.digest, NULL);
    json_decref(in.head);
    close_fd(&in.jobfd);
    if (in.hidden[0])
        bv_remove_tree(how->store->jobsfd, in.hidden, NULL);
    free(in.buffer);
    return rc;
}
