/* SPDX-License-Identifier: Apache-2.0 */
/* Put the job's files back as a checkpoint recorded them. */
#include "job/rollback_private.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/name.h"
#include "job/xattr.h"

int rollback_open(int dirfd, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        /* The recorded paths are free of links; one that is there now leads somewhere the job never wrote. */
        .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

int rollback_parse_entry(const json_t *j, struct rollback_entry *ret, struct bv_error *err)
{
    struct rollback_entry e = {.content = -1};
    uint64_t mode, uid, gid;
    int64_t mtime;
    if (bv_json_u64(j, "mode", 07777, &mode, err) < 0 || bv_json_u64(j, "uid", UINT32_MAX, &uid, err) < 0 ||
        bv_json_u64(j, "gid", UINT32_MAX, &gid, err) < 0 || bv_json_u64(j, "size", INT64_MAX, &e.size, err) < 0 ||
        bv_json_i64(j, "mtime_ns", &mtime, err) < 0)
        return -1;
    const json_t *content = json_object_get(j, "content");
    if (content) {
        uint64_t number;
        if (bv_json_u64(j, "content", INT32_MAX, &number, err) < 0)
            return -1;
        e.content = (int)number;
    }
    e.mode = (mode_t)mode;
    e.xattr = json_object_get(j, "xattr");
    e.mtime_ns = mtime;
    if (bv_json_get_bytes(j, "path", &e.path, err) < 0)
        return -1;
    *ret = e;
    return 0;
}

int rollback_load(int staging, json_t **ret, struct bv_error *err)
{
    autofree char *text = NULL;
    autojson json_t *all = NULL;
    size_t size;
    const char *format;
    if (bv_read_file(staging, BV_CAPTURE_JSON, CAPTURE_MAX, &text, &size, err) < 0 ||
        bv_json_parse(text, size, &all, err) < 0 || bv_json_str(all, "format", &format, err) < 0)
        return bv_wrap(err, "the checkpoint's list of files");
    if (strcmp(format, CAPTURE_FORMAT) != 0)
        return bv_fail(err, BV_ESTORE, 0, "the checkpoint's list of files has format '%.40s', this Bivouac knows '%s'",
                       format, CAPTURE_FORMAT);
    *ret = steal_ptr(&all);
    return 0;
}

int rollback_content(const struct rollback *r, const struct rollback_entry *e)
{
    char name[32];
    snprintf(name, sizeof(name), "%d", e->content);
    return openat(r->files, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static int put_mode_and_xattr(int to, const struct rollback_entry *e, struct bv_error *err)
{
    struct stat st;
    if (fstat(to, &st) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot stat %s", e->path);
    if ((st.st_mode & 07777) != e->mode && fchmod(to, e->mode) < 0 && errno != EPERM)
        return bv_fail(err, BV_EDENIED, errno, "cannot set the mode of %s", e->path);
    return bv_xattr_restore(to, e->xattr, err) < 0 ? bv_wrap(err, "%s", e->path) : 0;
}

int rollback_fill(const struct rollback *r, const struct rollback_entry *e, int to, struct bv_error *err)
{
    struct stat st;
    autoclose int from = rollback_content(r, e);
    if (from < 0 || fstat(from, &st) < 0 || (uint64_t)st.st_size != e->size)
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint lacks the content of %s", e->path);
    if (ftruncate(to, 0) < 0 || bv_copy_file(from, to, st.st_size, NULL) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot put %s back", e->path);
    if (put_mode_and_xattr(to, e, err) < 0)
        return -1;
    rollback_set_time(to, e);
    return 0;
}

int rollback_put_attributes(const struct rollback *r, int to, const struct rollback_entry *e, struct bv_error *err)
{
    struct stat st;
    if (put_mode_and_xattr(to, e, err) < 0)
        return -1;
    if (!(r->how & BV_ROLLBACK_KEEP_TIMES) && fstat(to, &st) == 0 && bv_mtime_ns(&st) != e->mtime_ns)
        rollback_set_time(to, e);
    return 0;
}

int rollback_replace(const struct rollback *r, const struct rollback_entry *e, int to, struct bv_error *err)
{
    if (rollback_fill(r, e, to, err) == 0)
        return 0;
    return bv_wrap(err, "what was in %s since the checkpoint is kept, and another restart tries again", e->path);
}

void rollback_set_time(int fd, const struct rollback_entry *e)
{
    struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = e->mtime_ns / BV_NSEC_PER_SEC, .tv_nsec = e->mtime_ns % BV_NSEC_PER_SEC},
    };
    if (futimens(fd, times) < 0)
        return; /* a courtesy to make(1); not ours to set where we are not the owner */
}

int rollback_keep(struct rollback *r, int fd, uint64_t from, const char *path, const char *why, struct bv_error *err)
{
    struct stat st;
    char name[16];
    if (fstat(fd, &st) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot stat %s", path);
    snprintf(name, sizeof(name), "%04u", ++r->kept_count);
    autoclose int to = openat(r->kept_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot keep %s aside", path);

    autofree char *buf = bv_alloc(1 << 20);
    off_t at = (off_t)from;
    int rc = from == 0 ? bv_copy_file(fd, to, st.st_size, NULL) : 0;
    while (from != 0 && rc == 0 && at < st.st_size) {
        ssize_t n = bv_pread_full(fd, buf, 1 << 20, at);
        if (n == 0)
            break;
        rc = n < 0 ? -1 : bv_write_full(to, buf, (size_t)n);
        at += n;
    }
    if (rc < 0 || fsync(to) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot keep %s aside", path);

    json_t *k = json_object();
    bv_json_set(k, "path", bv_json_bytes(path));
    bv_json_set(k, "kept", json_string(name));
    bv_json_set(k, "from", json_integer((json_int_t)from));
    bv_json_set(k, "bytes", json_integer(st.st_size - (off_t)from));
    bv_json_set(k, "why", json_string(why));
    bv_json_append(r->kept, k);
    return 0;
}

/* Create the directories on the way to `path`, for a file that goes back into one that was removed; not where a link
 * leads now. What fails here the creation of the file will tell. */
static void make_parents(const char *path)
{
    autofree char *part = bv_strdup(path);
    autoclose int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (char *name = part + 1, *end; dir >= 0 && (end = strchr(name, '/')); name = end + 1) {
        *end = '\0';
        mkdirat(dir, name, 0700); /* where it exists, file systems differ in what they say */
        int below = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close_fd(&dir);
        dir = below;
    }
}

int rollback_put_back(struct rollback *r, const struct rollback_entry *e, struct bv_error *err)
{
    make_parents(e->path);
    autoclose int fd = rollback_open(AT_FDCWD, e->path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return bv_fail(err, errno == EACCES || errno == EPERM ? BV_EDENIED : BV_ECHANGED, errno, "cannot put %s back",
                       e->path);
    return rollback_fill(r, e, fd, err);
}

/* Do the bytes that the checkpoint relies on still stand in the file? */
static int ends_agree(const json_t *j, const struct rollback_entry *e, int fd)
{
    static const char *const keys[] = {"head", "tail"};
    size_t part = e->size < SUM_PART ? (size_t)e->size : SUM_PART;
    for (int i = 0; i < 2; i++) {
        char sum[SUM_TEXT];
        const char *wanted = json_string_value(json_object_get(j, keys[i]));
        if (wanted && (capture_sum(fd, i ? e->size - part : 0, part, sum) < 0 || strcmp(sum, wanted) != 0))
            return 0;
    }
    return 1;
}

/* Is the file, up to the recorded size, exactly what was captured? */
int rollback_same_content(const struct rollback *r, const struct rollback_entry *e, int fd)
{
    autoclose int from = rollback_content(r, e);
    const size_t chunk = 1 << 18;
    autofree char *a = bv_alloc(2 * chunk);
    char *b = a + chunk;
    for (uint64_t at = 0; at < e->size; at += chunk) {
        size_t want = e->size - at < chunk ? (size_t)(e->size - at) : chunk;
        if (from < 0 || bv_pread_full(from, a, want, (off_t)at) != (ssize_t)want ||
            bv_pread_full(fd, b, want, (off_t)at) != (ssize_t)want || memcmp(a, b, want) != 0)
            return 0;
    }
    return 1;
}

/* Cut what the discarded future has appended. */
static int cut(struct rollback *r, const struct rollback_entry *e, const struct stat *st, struct bv_error *err)
{
    if ((uint64_t)st->st_size == e->size)
        return 0;
    autoclose int fd = rollback_open(AT_FDCWD, e->path, O_RDWR, 0);
    if (fd < 0)
        return rollback_refuse(e->path, errno, err);
    if (rollback_keep(r, fd, e->size, e->path, "appended after the checkpoint", err) < 0)
        return -1;
    if (ftruncate(fd, (off_t)e->size) < 0)
        return bv_fail(err, BV_EDENIED, errno, "cannot cut %s back", e->path);
    rollback_set_time(fd, e);
    return 0;
}

static int overwrite(struct rollback *r, const struct rollback_entry *e, const struct stat *st, struct bv_error *err)
{
    autoclose int fd = rollback_open(AT_FDCWD, e->path, O_RDWR, 0);
    if (fd < 0)
        return rollback_refuse(e->path, errno, err);
    if ((uint64_t)st->st_size == e->size && rollback_same_content(r, e, fd))
        return rollback_put_attributes(r, fd, e, err);
    if (rollback_keep(r, fd, 0, e->path, "changed since the checkpoint", err) < 0)
        return -1;
    return rollback_replace(r, e, fd, err);
}

static int changed(const struct rollback *r, const struct rollback_entry *e, const char *how, struct bv_error *err)
{
    if (r->how & BV_ROLLBACK_ACCEPT_CHANGED)
        return 0;
    return bv_fail(err, BV_ECHANGED, 0, "%s %s, and the checkpoint does not hold its content", e->path, how);
}

static int is_as_recorded(const struct rollback_entry *e, const struct stat *st)
{
    return (uint64_t)st->st_size == e->size && bv_mtime_ns(st) == e->mtime_ns;
}

int rollback_check_uncaptured(const struct rollback *r, const struct rollback_entry *e, int fd, struct bv_error *err)
{
    struct stat st;
    if (fd < 0)
        return changed(r, e, "is gone", err);
    return fstat(fd, &st) == 0 && is_as_recorded(e, &st) ? 0 : changed(r, e, "has changed since the checkpoint", err);
}

int rollback_check_changed(const struct rollback *r, const json_t *j, const struct rollback_entry *e, int fd,
                           const struct stat *st, struct bv_error *err)
{
    /* What was only read is not the job's doing, whatever has become of it; the engine refuses another size. */
    if (e->content >= 0 || e->class == CLASS_READ_ONLY || e->class == CLASS_IN_PLACE)
        return 0;
    if (e->class == CLASS_RECORDED)
        return is_as_recorded(e, st) ? 0 : changed(r, e, "has changed since the checkpoint", err);
    if ((uint64_t)st->st_size < e->size)
        return changed(r, e, "is shorter than it was at the checkpoint", err);
    return ends_agree(j, e, fd) ? 0 : changed(r, e, "was rewritten since the checkpoint", err);
}

static int restore_existing(struct rollback *r, const json_t *j, const struct rollback_entry *e, int fd,
                            const struct stat *st, struct bv_error *err)
{
    if (rollback_check_changed(r, j, e, fd, st, err) < 0)
        return -1;
    if (e->class == CLASS_READ_ONLY || e->class == CLASS_RECORDED)
        return 0;
    if (e->class == CLASS_IN_PLACE)
        return overwrite(r, e, st, err);
    int whole = (uint64_t)st->st_size >= e->size;
    if (e->content >= 0 && !(whole && rollback_same_content(r, e, fd)))
        return overwrite(r, e, st, err);
    return whole && ends_agree(j, e, fd) ? cut(r, e, st, err) : 0;
}

/* A scheduler that renames the job's directory leaves a link under the old name, and recorded paths go through it. This
 * one link is followed, and no other. */
static void follow_move(const struct rollback *r, struct rollback_entry *e)
{
    autofree char *dir = bv_strdup(e->path);
    char *slash = strrchr(dir, '/');
    if (!r->moved_dir || !slash || slash == dir)
        return;
    *slash = '\0';
    autofree char *real = realpath(dir, NULL);
    size_t n = strlen(r->moved_dir);
    if (!real || strcmp(real, dir) == 0 || strncmp(real, r->moved_dir, n) != 0 || (real[n] && real[n] != '/'))
        return;
    char *path = bv_asprintf("%s/%s", real, slash + 1);
    free(e->path);
    e->path = path;
}

int rollback_read_entry(const struct rollback *r, const json_t *j, struct rollback_entry *ret, struct bv_error *err)
{
    const char *class_name;
    struct rollback_entry e = {0};
    if (bv_json_str(j, "class", &class_name, err) < 0 || rollback_parse_entry(j, &e, err) < 0)
        return -1;
    int class = capture_class_parse(class_name);
    if (class < 0 || !bv_is_clean_path(e.path)) {
        free(e.path);
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of files is not valid");
    }
    e.class = (enum capture_class) class;
    follow_move(r, &e);
    *ret = e;
    return 0;
}

static int restore_file(struct rollback *r, const json_t *j, const struct rollback_entry *e, struct bv_error *err)
{
    struct stat st;
    autoclose int fd = rollback_open(AT_FDCWD, e->path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT && e->content >= 0)
        return rollback_put_back(r, e, err);
    if (fd < 0 && errno == ENOENT)
        return bv_fail(err, BV_ECHANGED, 0, "%s is gone, and the checkpoint does not hold its content", e->path);
    if (fd < 0)
        return rollback_refuse(e->path, errno, err);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return bv_fail(err, BV_ECHANGED, 0, "%s is not a regular file any more", e->path);
    if (restore_existing(r, j, e, fd, &st, err) < 0)
        return -1;
    return e->class == CLASS_READ_ONLY ? 0 : put_mode_and_xattr(fd, e, err);
}

static int restore_files(struct rollback *r, const json_t *all, struct bv_error *err)
{
    json_t *files;
    if (bv_json_array(all, "files", CAPTURE_ENTRIES, &files, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(files); i++) {
        struct rollback_entry e = {0};
        const json_t *j = json_array_get(files, i);
        if (rollback_read_entry(r, j, &e, err) < 0)
            return -1;
        autofree char *path = e.path;
        if (restore_file(r, j, &e, err) < 0)
            return -1;
    }
    return 0;
}

static int each_directory(struct rollback *r, const json_t *all, int volatiles, struct bv_error *err)
{
    json_t *directories;
    if (bv_json_array(all, "directories", CAPTURE_ENTRIES, &directories, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(directories); i++) {
        int is_volatile;
        const json_t *d = json_array_get(directories, i);
        if (bv_json_bool(d, "volatile", &is_volatile, err) < 0)
            return -1;
        if (is_volatile == volatiles && rollback_directory(r, d, err) < 0)
            return -1;
    }
    return 0;
}

static int begin(int staging, struct rollback *r, json_t **ret_all, struct bv_error *err)
{
    if (rollback_load(staging, ret_all, err) < 0)
        return -1;
    r->files = openat(staging, BV_CAPTURE_FILES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r->files < 0 && errno != ENOENT)
        return bv_fail(err, BV_ESTORE, errno, "cannot open the staged files");
    return 0;
}

int bv_rollback_volatiles(int staging, struct bv_error *err)
{
    struct rollback r = {.files = -1, .kept_fd = -1, .fresh = 1};
    autojson json_t *all = NULL;
    int rc = begin(staging, &r, &all, err);
    if (rc == 0)
        rc = each_directory(&r, all, 1, err);
    close_fd(&r.files);
    return rc;
}

int bv_rollback_files(int staging, int kept_fd, const char *moved_dir, int how, json_t *kept, struct bv_error *err)
{
    struct rollback r = {.files = -1, .kept_fd = kept_fd, .moved_dir = moved_dir, .how = how, .kept = kept};
    autojson json_t *all = NULL;
    int rc = begin(staging, &r, &all, err);
    if (rc == 0)
        rc = rollback_check(&r, all, err);
    if (rc == 0)
        rc = each_directory(&r, all, 0, err);
    if (rc == 0)
        rc = restore_files(&r, all, err);
    close_fd(&r.files);
    return rc;
}
