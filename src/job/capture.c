/* SPDX-License-Identifier: Apache-2.0 */
#include "job/capture_private.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "job/xattr.h"

#define WARNINGS_MAX 16

static const char *const class_names[] = {
    [CLASS_APPEND] = "append",     [CLASS_SEQUENTIAL] = "sequential", [CLASS_IN_PLACE] = "in-place",
    [CLASS_RECORDED] = "recorded", [CLASS_READ_ONLY] = "read-only",
};

const char *capture_class_name(enum capture_class c)
{
    return class_names[c];
}

int capture_class_parse(const char *name)
{
    for (size_t i = 0; i < sizeof(class_names) / sizeof(class_names[0]); i++)
        if (strcmp(class_names[i], name) == 0)
            return (int)i;
    return -1;
}

void capture_warn(struct bv_capture *c, const char *fmt, ...)
{
    if (json_array_size(c->warnings) >= WARNINGS_MAX)
        return;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    bv_json_append(c->warnings, bv_json_bytes(text));
}

void capture_warn_large(struct bv_capture *c, const char *path, uint64_t size)
{
    capture_warn(
        c, "%s has %llu bytes, more than the capture limit of %llu: a restart is refused if it has changed by then",
        path, (unsigned long long)size, (unsigned long long)c->spec->capture_limit);
}

static int is_memory(const struct bv_mount *m)
{
    return strcmp(m->type, "tmpfs") == 0 || strcmp(m->type, "devtmpfs") == 0 || strcmp(m->type, "mqueue") == 0;
}

char *capture_name(struct bv_capture *c, const char *path, const struct stat *st, int is_written)
{
    if (!(c->how & BV_CAPTURE_OUTSIDE))
        return bv_strdup(path);
    const struct bv_mount *m = bv_mounts_of(&c->inside, path);
    if (m && strcmp(m->path, "/") == 0 && (c->how & BV_CAPTURE_NO_ROOT))
        return NULL;
    autofree char *here = bv_mounts_map(&c->inside, &c->now, path);
    struct stat there;
    if (here && stat(here, &there) == 0 && there.st_dev == st->st_dev && there.st_ino == st->st_ino)
        return steal_ptr(&here);
    if (is_written && !(m && is_memory(m)))
        capture_warn(c, "%s of the container has no name on the host, so a restart cannot put it back", path);
    return NULL;
}

const char *const *capture_volatile(const struct bv_spec *spec)
{
    static const char *const with_tmp[] = {"/dev/shm", "/tmp", NULL};
    static const char *const without[] = {"/dev/shm", NULL};
    return spec->private_tmp ? with_tmp : without;
}

static int is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

int capture_covers(const struct bv_capture *c, const char *path, dev_t dev)
{
    struct stat st;
    const char *const *volatiles = capture_volatile(c->spec);
    for (size_t i = 0; volatiles[i] && !(c->how & BV_CAPTURE_OUTSIDE); i++)
        if (is_below(path, volatiles[i]) && stat(volatiles[i], &st) == 0 && st.st_dev == dev)
            return 1;
    return 0;
}

int capture_sum(int fd, uint64_t offset, size_t size, char ret[SUM_TEXT])
{
    autofree char *buf = bv_alloc(size);
    ssize_t n = bv_pread_full(fd, buf, size, (off_t)offset);
    if (n < 0)
        return -1;
    snprintf(ret, SUM_TEXT, "%016llx", (unsigned long long)XXH3_64bits(buf, (size_t)n));
    return 0;
}

static int create_file(struct bv_capture *c, unsigned number)
{
    char name[16];
    snprintf(name, sizeof(name), "%u", number);
    return openat(c->files, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int capture_copy(struct bv_capture *c, int fd, uint64_t size, unsigned *ret, struct bv_error *err)
{
    autoclose int to = create_file(c, c->next);
    if (to < 0 || bv_copy_file(fd, to, (off_t)size, NULL) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot copy %llu bytes of a file of the job into the store",
                       (unsigned long long)size);
    *ret = c->next++;
    return 0;
}

void capture_xattr_json(json_t *entry, int fd)
{
    json_t *xattr = bv_xattr_save(fd);
    if (xattr)
        bv_json_set(entry, "xattr", xattr);
}

void capture_stat_json(json_t *entry, const struct stat *st)
{
    bv_json_set(entry, "mode", json_integer(st->st_mode & 07777));
    bv_json_set(entry, "uid", json_integer(st->st_uid));
    bv_json_set(entry, "gid", json_integer(st->st_gid));
    bv_json_set(entry, "size", json_integer(st->st_size));
    bv_json_set(entry, "mtime_ns", json_integer(bv_mtime_ns(st)));
}

static int take(struct bv_capture *c, pid_t root, struct bv_error *err)
{
    const char *const *volatiles = capture_volatile(c->spec);
    if (bv_mounts_read(&c->now, err) < 0)
        return -1;
    for (size_t i = 0; volatiles[i] && !(c->how & BV_CAPTURE_OUTSIDE); i++)
        if (capture_directory(c, volatiles[i], 1, err) < 0)
            return -1;
    for (size_t i = 0; c->spec->capture && c->spec->capture[i]; i++)
        if (capture_directory(c, c->spec->capture[i], 0, err) < 0)
            return -1;
    return capture_open_files(c, root, err);
}

static int look_at_mounts(struct bv_capture *c, pid_t root, struct bv_error *err)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!(c->how & BV_CAPTURE_OUTSIDE))
        return 0;
    if (procfd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open /proc");
    return bv_mounts_read_of(procfd, root, &c->inside, err);
}

int bv_capture_take(const struct bv_spec *spec, pid_t root, int how, int staging, struct bv_capture **ret,
                    struct bv_error *err)
{
    if (mkdirat(staging, BV_CAPTURE_FILES, 0700) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create the staging directory");

    struct bv_capture *c = bv_alloc(sizeof(*c));
    c->spec = spec;
    c->how = how;
    c->staging = staging;
    c->files = openat(staging, BV_CAPTURE_FILES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    c->opened = json_array();
    c->directories = json_array();
    c->warnings = json_array();
    c->mounts = json_object();
    c->mapped = json_object();
    if (look_at_mounts(c, root, err) < 0 || take(c, root, err) < 0) {
        bv_capture_free(c);
        return -1;
    }
    *ret = c;
    return 0;
}

/* Is the copy what stood in the file at the freeze? The job runs again, and may have cut the file meanwhile. */
static int is_as_frozen(const struct capture_deferred *d, int copy)
{
    struct stat st;
    char sum[SUM_TEXT];
    const char *tail = json_string_value(json_object_get(d->entry, "tail"));
    size_t part = d->size < SUM_PART ? (size_t)d->size : SUM_PART;
    if (fstat(d->fd, &st) < 0 || (uint64_t)st.st_size < d->size)
        return 0;
    return !tail || (capture_sum(copy, d->size - part, part, sum) == 0 && strcmp(sum, tail) == 0);
}

static int copy_one_deferred(struct bv_capture *c, const struct capture_deferred *d, struct bv_error *err)
{
    struct stat st;
    autoclose int to = create_file(c, d->number);
    int rc = to < 0 ? -1 : bv_copy_file(d->fd, to, (off_t)d->size, NULL);
    int saved = errno;
    if (to >= 0 &&
        ((rc == 0 && !is_as_frozen(d, to)) || (rc < 0 && fstat(d->fd, &st) == 0 && (uint64_t)st.st_size < d->size))) {
        /* A restart is refused then, if the file is not whole, rather than that it makes it something it never was. */
        char name[16];
        snprintf(name, sizeof(name), "%u", d->number);
        json_object_del(d->entry, "content");
        return unlinkat(c->files, name, 0) == 0 ? 0 : bv_fail(err, BV_ESTORE, errno, "cannot remove a copy");
    }
    errno = saved;
    if (rc < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot copy a file of the job into the store");
    return 0;
}

static int copy_deferred(struct bv_capture *c, struct bv_error *err)
{
    for (size_t i = 0; i < c->deferred_count; i++) {
        if (copy_one_deferred(c, &c->deferred[i], err) < 0)
            return -1;
        close_fd(&c->deferred[i].fd);
    }
    return 0;
}

static int write_json(struct bv_capture *c, struct bv_error *err)
{
    autojson json_t *all = json_object();
    bv_json_set(all, "format", json_string(CAPTURE_FORMAT));
    bv_json_set(all, "files", json_incref(c->opened));
    bv_json_set(all, "directories", json_incref(c->directories));
    bv_json_set(all, "mounts", capture_mounts_json(c));
    bv_json_set(all, "mapped", capture_mapped_json(c));
    autofree char *text = bv_json_canonical(all);

    autoclose int fd = openat(c->staging, BV_CAPTURE_JSON, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || bv_write_full(fd, text, strlen(text)) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot write %s", BV_CAPTURE_JSON);
    return 0;
}

int bv_capture_finish(struct bv_capture *c, struct bv_error *err)
{
    int rc = copy_deferred(c, err);
    if (rc == 0)
        rc = write_json(c, err);
    bv_capture_free(c);
    return rc;
}

void bv_capture_free(struct bv_capture *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->deferred_count; i++)
        close_fd(&c->deferred[i].fd);
    free(c->deferred);
    bv_mounts_free(&c->inside);
    close_fd(&c->files);
    json_decref(c->opened);
    json_decref(c->directories);
    json_decref(c->warnings);
    json_decref(c->mounts);
    json_decref(c->mapped);
    bv_mounts_free(&c->now);
    free(c);
}

const json_t *bv_capture_warnings(const struct bv_capture *c)
{
    return c->warnings;
}
