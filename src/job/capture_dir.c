/* SPDX-License-Identifier: Apache-2.0 */
/* Whole directories. */
#include "job/capture_private.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "base/mem.h"

#define DEPTH_MAX 256

struct walk {
    struct bv_capture *c;
    json_t *entries;
    int everything;
    dev_t dev;         /* of the directory itself */
    struct stat store; /* never captured into itself */
};

static int excluded(const struct walk *w, const char *rel, const char *name)
{
    char *const *globs = w->c->spec->no_capture;
    for (size_t i = 0; !w->everything && globs && globs[i]; i++)
        if (fnmatch(globs[i], rel, 0) == 0 || fnmatch(globs[i], name, 0) == 0)
            return 1;
    return 0;
}

static json_t *new_entry(const char *rel, const char *type, const struct stat *st)
{
    json_t *entry = json_object();
    bv_json_set(entry, "path", bv_json_bytes(rel));
    bv_json_set(entry, "type", json_string(type));
    capture_stat_json(entry, st);
    return entry;
}

static int add_file(struct walk *w, int dir, const char *name, const char *rel, struct bv_error *err)
{
    struct stat st;
    autoclose int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        capture_warn(w->c, "%s cannot be read, so a restart cannot put it back", rel);
        return 0;
    }
    autojson json_t *entry = new_entry(rel, "file", &st);
    capture_xattr_json(entry, fd);
    if (w->everything || (uint64_t)st.st_size <= w->c->spec->capture_limit) {
        unsigned number;
        if (capture_copy(w->c, fd, (uint64_t)st.st_size, &number, err) < 0)
            return bv_wrap(err, "%s", rel);
        bv_json_set(entry, "content", json_integer(number));
    } else {
        capture_warn_large(w->c, rel, (uint64_t)st.st_size);
    }
    bv_json_append(w->entries, json_incref(entry));
    return 0;
}

static void add_link(struct walk *w, int dir, const char *name, const char *rel, const struct stat *st)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
    if (n < 0)
        return;
    target[n] = '\0';
    json_t *entry = new_entry(rel, "link", st);
    bv_json_set(entry, "target", bv_json_bytes(target));
    bv_json_append(w->entries, entry);
}

static int walk_dir(struct walk *w, int dirfd_owned, const char *prefix, int depth, struct bv_error *err);

static int walk_entry(struct walk *w, int dir, const char *name, const char *prefix, int depth, struct bv_error *err)
{
    struct stat st;
    autofree char *rel = *prefix ? bv_asprintf("%s/%s", prefix, name) : bv_strdup(name);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || excluded(w, rel, name))
        return 0;
    if (w->everything && st.st_dev != w->dev) /* bound there from the host, so it does not end with the capsule */
        return 0;
    if (json_array_size(w->entries) >= CAPTURE_ENTRIES)
        return bv_fail(err, BV_EUSAGE, 0, "more than %d files to capture", CAPTURE_ENTRIES);

    switch (st.st_mode & S_IFMT) {
    case S_IFREG:
        return add_file(w, dir, name, rel, err);
    case S_IFLNK:
        add_link(w, dir, name, rel, &st);
        return 0;
    case S_IFIFO:
        bv_json_append(w->entries, new_entry(rel, "fifo", &st));
        return 0;
    case S_IFDIR: {
        if (st.st_dev == w->store.st_dev && st.st_ino == w->store.st_ino)
            return 0;
        bv_json_append(w->entries, new_entry(rel, "dir", &st));
        int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub < 0) {
            capture_warn(w->c, "%s cannot be read, so a restart cannot put it back", rel);
            return 0;
        }
        return walk_dir(w, sub, rel, depth + 1, err);
    }
    default: /* sockets come back with the process that had bound them */
        return 0;
    }
}

static int walk_dir(struct walk *w, int dirfd_owned, const char *prefix, int depth, struct bv_error *err)
{
    autoclosedir DIR *dir = fdopendir(dirfd_owned);
    if (!dir) {
        close(dirfd_owned);
        return bv_fail(err, BV_EINTERNAL, errno, "cannot list %s", prefix);
    }
    if (depth > DEPTH_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "%s: directories are nested too deep to capture", prefix);
    for (const char *name; (name = bv_list_next(dir));)
        if (walk_entry(w, dirfd(dir), name, prefix, depth, err) < 0)
            return -1;
    return errno ? bv_fail(err, BV_EINTERNAL, errno, "cannot list %s", prefix) : 0;
}

int capture_directory(struct bv_capture *c, const char *path, int everything, struct bv_error *err)
{
    autojson json_t *entries = json_array();
    struct walk w = {.c = c, .entries = entries, .everything = everything};
    if (fstatat(c->staging, "../../..", &w.store, 0) < 0) /* STORE/jobs/J/.staging-N */
        return bv_fail(err, BV_EINTERNAL, errno, "cannot stat the store");

    /* One that is not there yet is captured as empty: the job may be about to create it. */
    struct stat st = {0};
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if ((fd < 0 && errno != ENOENT) || (fd >= 0 && fstat(fd, &st) < 0))
        return bv_fail(err, BV_ENODIR, errno, "cannot capture %s", path);
    w.dev = st.st_dev;
    if (fd >= 0 && walk_dir(&w, fd, "", 0, err) < 0)
        return bv_wrap(err, "%s", path);

    autojson json_t *d = json_object();
    bv_json_set(d, "path", bv_json_bytes(path));
    bv_json_set(d, "volatile", json_boolean(everything));
    json_t *globs = json_array();
    for (size_t i = 0; !everything && c->spec->no_capture && c->spec->no_capture[i]; i++)
        bv_json_append(globs, bv_json_bytes(c->spec->no_capture[i]));
    bv_json_set(d, "no_capture", globs);
    bv_json_set(d, "entries", json_incref(entries));
    bv_json_append(c->directories, json_incref(d));
    return 0;
}
