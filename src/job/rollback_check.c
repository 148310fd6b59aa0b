/* SPDX-License-Identifier: Apache-2.0 */
/* Can all files be put back? Asked before the first one is touched: a restart that fails in the middle of them leaves a
 * mixture. Nothing is changed here. */
#include "job/rollback_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/name.h"

#define BLOCK 512 /* of st_blocks */

/* What is to be written to one file system. */
struct demand {
    dev_t dev;
    char *path; /* of the first file that needs room there */
    uint64_t bytes, room;
};

struct check {
    const struct rollback *r;
    const json_t *all;
    struct demand *demand;
    size_t demand_count;
};

int rollback_refuse(const char *path, int sys_errno, struct bv_error *err)
{
    switch (sys_errno) {
    case EROFS:
        return bv_fail(err, BV_EDENIED, 0,
                       "%s is on a file system that is read-only here: have it mounted writable, and restart the job "
                       "again",
                       path);
    case EACCES:
    case EPERM:
        return bv_fail(
            err, BV_EDENIED, 0,
            "%s is not yours to write any more: change its rights, or those of its directory, and restart the "
            "job again",
            path);
    case EISDIR:
        return bv_fail(err, BV_ECHANGED, 0,
                       "%s was a file at the checkpoint, and is a directory now: move it away, and restart the job "
                       "again",
                       path);
    case ENOTCONN:
    case ESTALE:
    case EIO:
        return bv_fail(err, BV_EHOST, sys_errno,
                       "the file system of %s does not work: have it mounted again, and restart the job again", path);
    case ELOOP:
    case ENOTDIR:
        return bv_fail(err, BV_ECHANGED, sys_errno, "cannot open %s", path);
    default:
        return bv_fail(err, BV_EDENIED, sys_errno, "cannot open %s", path);
    }
}

/* --- room --- */

static struct demand *demand_of(struct check *c, int fd, dev_t dev, const char *path)
{
    struct statvfs fs;
    for (size_t i = 0; i < c->demand_count; i++)
        if (c->demand[i].dev == dev)
            return &c->demand[i];
    c->demand = bv_realloc(c->demand, c->demand_count + 1, sizeof(c->demand[0]));
    struct demand *d = &c->demand[c->demand_count++];
    /* Some do not say how large they are. */
    int known = fstatvfs(fd, &fs) == 0 && fs.f_blocks > 0;
    *d = (struct demand){.dev = dev, .path = bv_strdup(path), .room = known ? fs.f_bavail * fs.f_frsize : UINT64_MAX};
    return d;
}

/* `fd`: the file, which has `blocks` now, or the directory in which it is to be created. */
static void need_room(struct check *c, const struct rollback_entry *e, const char *path, int fd, blkcnt_t blocks)
{
    struct stat at, content;
    autoclose int from = rollback_content(c->r, e);
    if (from < 0 || fstat(from, &content) < 0 || fstat(fd, &at) < 0 || content.st_blocks <= blocks)
        return;
    demand_of(c, fd, at.st_dev, path)->bytes += (uint64_t)(content.st_blocks - blocks) * BLOCK;
}

static int check_room(const struct check *c, struct bv_error *err)
{
    for (size_t i = 0; i < c->demand_count; i++) {
        const struct demand *d = &c->demand[i];
        if (d->bytes > d->room)
            return bv_fail(
                err, BV_ENOSPACE, 0,
                "putting files back as they were at the checkpoint needs %llu KiB more on the file system of "
                "%s, where %llu KiB are free",
                (unsigned long long)d->bytes / 1024, d->path, (unsigned long long)d->room / 1024);
    }
    return 0;
}

/* --- one file --- */

/* The file is gone: can it be created? Asked of the nearest directory on its way that is there. */
static int check_creation(struct check *c, int dirfd, const char *name, const struct rollback_entry *e,
                          const char *path, struct bv_error *err)
{
    autofree char *way = bv_strdup(name);
    for (;;) {
        char *slash = strrchr(way, '/');
        if (slash)
            *slash = '\0';
        const char *up = !slash ? "." : *way ? way : "/";
        autoclose int dir = rollback_open(dirfd, up, O_PATH | O_DIRECTORY, 0);
        if (dir < 0 && errno == ENOENT && slash && *way)
            continue;
        /* Without the rights that we have in the capsule: servers of file systems do not know of them. */
        if (dir < 0 || faccessat(dir, ".", W_OK | X_OK, 0) < 0)
            return rollback_refuse(path, errno, err);
        need_room(c, e, path, dir, 0);
        return 0;
    }
}

static int check_missing(struct check *c, const struct rollback_entry *e, struct bv_error *err)
{
    if (rollback_check_unmounted(c->all, e->path, err) < 0)
        return -1;
    if (e->content >= 0)
        return check_creation(c, AT_FDCWD, e->path, e, e->path, err);
    return bv_fail(err, BV_ECHANGED, 0, "%s is gone, and the checkpoint does not hold its content", e->path);
}

static int check_open_file(struct check *c, const json_t *j, struct bv_error *err)
{
    struct stat st;
    struct rollback_entry e = {0};
    if (rollback_read_entry(c->r, j, &e, err) < 0)
        return -1;
    autofree char *path = e.path;
    int access = e.class == CLASS_READ_ONLY ? O_RDONLY : O_RDWR;
    autoclose int fd = rollback_open(AT_FDCWD, path, access | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT)
        return check_missing(c, &e, err);
    if (fd < 0)
        return rollback_refuse(path, errno, err);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return bv_fail(err, BV_ECHANGED, 0, "%s is not a regular file any more", path);
    if (e.class != CLASS_READ_ONLY && e.content >= 0)
        need_room(c, &e, path, fd, st.st_blocks);
    return rollback_check_changed(c->r, j, &e, fd, &st, err);
}

/* --- a directory that is captured whole --- */

/* What is no file is made anew where it is gone, and cannot be where something else has its name. */
static int check_kind(int dir, const char *type, const char *name, const char *path, struct bv_error *err)
{
    static const struct {
        const char *type, *text;
        mode_t format;
    } kinds[] = {{"dir", "directory", S_IFDIR}, {"link", "symbolic link", S_IFLNK}, {"fifo", "fifo", S_IFIFO}};
    struct stat st;
    const char *last = strrchr(name, '/');
    autofree char *up = last ? bv_strndup(name, (size_t)(last - name)) : bv_strdup(".");
    autoclose int parent = rollback_open(dir, up, O_PATH | O_DIRECTORY, 0);
    if (parent < 0 || fstatat(parent, last ? last + 1 : name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(type, kinds[i].type) == 0 && (st.st_mode & S_IFMT) != kinds[i].format)
            return bv_fail(err, BV_ECHANGED, 0,
                           "%s was a %s at the checkpoint, and is something else now: move it away, and restart the "
                           "job again",
                           path, kinds[i].text);
    return 0;
}

static int check_captured(struct check *c, int dir, const char *root, const json_t *j, struct bv_error *err)
{
    struct stat st;
    const char *type;
    struct rollback_entry e = {0};
    if (bv_json_str(j, "type", &type, err) < 0 || rollback_parse_entry(j, &e, err) < 0)
        return -1;
    autofree char *name = e.path;
    if (!rollback_is_clean_relative(name))
        return 0; /* refused in its turn */
    autofree char *path = bv_asprintf("%s/%s", root, name);
    if (strcmp(type, "file") != 0)
        return check_kind(dir, type, name, path, err);
    autoclose int fd = rollback_open(dir, name, O_RDWR | O_NONBLOCK, 0);
    if (e.content < 0) {
        struct rollback_entry named = e;
        named.path = path;
        return fd < 0 && errno != ENOENT ? rollback_refuse(path, errno, err)
                                         : rollback_check_uncaptured(c->r, &named, fd, err);
    }
    if (fd < 0 && errno == ENOENT)
        return check_creation(c, dir, name, &e, path, err);
    if (fd < 0)
        return rollback_refuse(path, errno, err);
    if (fstat(fd, &st) == 0)
        need_room(c, &e, path, fd, st.st_blocks);
    return 0;
}

static int check_directory(struct check *c, const json_t *d, struct bv_error *err)
{
    int is_volatile;
    json_t *entries;
    autofree char *root = NULL;
    if (bv_json_bool(d, "volatile", &is_volatile, err) < 0 || bv_json_get_bytes(d, "path", &root, err) < 0 ||
        bv_json_array(d, "entries", CAPTURE_ENTRIES, &entries, err) < 0)
        return -1;
    if (is_volatile)
        return 0;
    autoclose int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; dir >= 0 && i < json_array_size(entries); i++)
        if (check_captured(c, dir, root, json_array_get(entries, i), err) < 0)
            return -1;
    return 0;
}

static int check_all(struct check *c, const json_t *all, struct bv_error *err)
{
    json_t *directories, *files;
    if (bv_json_array(all, "directories", CAPTURE_ENTRIES, &directories, err) < 0 ||
        bv_json_array(all, "files", CAPTURE_ENTRIES, &files, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(directories); i++)
        if (check_directory(c, json_array_get(directories, i), err) < 0)
            return -1;
    for (size_t i = 0; i < json_array_size(files); i++)
        if (check_open_file(c, json_array_get(files, i), err) < 0)
            return -1;
    return check_room(c, err);
}

int rollback_check(const struct rollback *r, const json_t *all, struct bv_error *err)
{
    struct check c = {.r = r, .all = all};
    int rc = rollback_check_place(all, err);
    if (rc == 0)
        rc = check_all(&c, all, err);
    for (size_t i = 0; i < c.demand_count; i++)
        free(c.demand[i].path);
    free(c.demand);
    return rc;
}
