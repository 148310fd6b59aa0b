/* SPDX-License-Identifier: Apache-2.0 */
/* Put whole directories back. */
#include "job/rollback_private.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/name.h"

int rollback_is_clean_relative(const char *path)
{
    autofree char *absolute = bv_asprintf("/%s", path);
    return path[0] && bv_is_clean_path(absolute);
}

/* The directory that entry `path` is in, without a link on the way; *ret_name is the rest of the path. */
static int open_parent(int dir, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    autofree char *parent = slash ? bv_strndup(path, (size_t)(slash - path)) : bv_strdup(".");
    *ret_name = slash ? slash + 1 : path;
    return rollback_open(dir, parent, O_PATH | O_DIRECTORY, 0);
}

static int put_dir(int parent, const char *name, const struct rollback_entry *e, struct bv_error *err)
{
    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return bv_fail(err, BV_ECHANGED, errno, "cannot create the directory %s", e->path);
    autoclose int fd = rollback_open(parent, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 || (fchmod(fd, e->mode) < 0 && errno != EPERM))
        return bv_fail(err, BV_ECHANGED, errno, "cannot open the directory %s", e->path);
    return 0;
}

static int put_link(int parent, const char *name, const json_t *j, const struct rollback_entry *e, struct bv_error *err)
{
    char now[4096] = "";
    autofree char *target = NULL;
    if (bv_json_get_bytes(j, "target", &target, err) < 0)
        return -1;
    ssize_t n = readlinkat(parent, name, now, sizeof(now) - 1);
    if (n >= 0 && strcmp(now, target) == 0)
        return 0;
    if (n >= 0)
        unlinkat(parent, name, 0);
    if (symlinkat(target, parent, name) < 0)
        return bv_fail(err, BV_ECHANGED, errno, "cannot put the link %s back", e->path);
    return 0;
}

static int put_fifo(int parent, const char *name, const struct rollback_entry *e, struct bv_error *err)
{
    if (mkfifoat(parent, name, e->mode) < 0 && errno != EEXIST)
        return bv_fail(err, BV_ECHANGED, errno, "cannot create the fifo %s", e->path);
    return 0;
}

static int put_file(struct rollback *r, int dir, const struct rollback_entry *e, struct bv_error *err)
{
    struct stat st;
    autoclose int fd = rollback_open(dir, e->path, O_RDWR | O_NONBLOCK, 0);
    if (fd < 0 && errno != ENOENT)
        return rollback_refuse(e->path, errno, err);
    if (e->content < 0 && r->stand_in)
        return rollback_create(r, dir, e->path, e, err);
    if (e->content < 0)
        return rollback_check_uncaptured(r, e, fd, err);
    if (fd < 0) {
        fd = rollback_open(dir, e->path, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd < 0)
            return bv_fail(err, BV_EDENIED, errno, "cannot put %s back", e->path);
        return rollback_fill(r, e, fd, err);
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return bv_fail(err, BV_ECHANGED, 0, "%s is not a regular file any more", e->path);
    if ((uint64_t)st.st_size == e->size && rollback_same_content(r, e, fd))
        return rollback_put_attributes(r, fd, e, err);
    autofree char *path = bv_asprintf("%s/%s", r->directory, e->path);
    if (r->fresh)
        return rollback_fill(r, e, fd, err);
    if (rollback_keep(r, fd, 0, path, "changed since the checkpoint", err) < 0)
        return -1;
    return rollback_replace(r, e, fd, err);
}

static int put_by_type(struct rollback *r, int dir, const char *type, const json_t *j, const struct rollback_entry *e,
                       struct bv_error *err)
{
    const char *name;
    if (strcmp(type, "file") == 0)
        return put_file(r, dir, e, err);
    autoclose int parent = open_parent(dir, e->path, &name);
    if (parent < 0)
        return bv_fail(err, BV_ECHANGED, errno, "cannot open the directory of %s", e->path);
    if (strcmp(type, "dir") == 0)
        return put_dir(parent, name, e, err);
    if (strcmp(type, "link") == 0)
        return put_link(parent, name, j, e, err);
    if (strcmp(type, "fifo") == 0)
        return put_fifo(parent, name, e, err);
    return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of files is not valid");
}

static int put_entry(struct rollback *r, int dir, const json_t *j, json_t *seen, struct bv_error *err)
{
    struct rollback_entry e = {0};
    const char *type;
    if (bv_json_str(j, "type", &type, err) < 0 || rollback_parse_entry(j, &e, err) < 0)
        return -1;
    int rc = rollback_is_clean_relative(e.path)
                 ? 0
                 : bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of files is not valid");
    if (rc == 0) {
        bv_json_set(seen, json_string_value(json_object_get(j, "path")), json_true());
        rc = put_by_type(r, dir, type, j, &e, err);
    }
    free(e.path);
    return rc;
}

int rollback_put_entries(struct rollback *r, int dir, const json_t *entries, json_t *seen, struct bv_error *err)
{
    for (size_t i = 0; i < json_array_size(entries); i++)
        if (put_entry(r, dir, json_array_get(entries, i), seen, err) < 0)
            return -1;
    return 0;
}

/* --- what was not there at the checkpoint --- */

/* Somebody else may write here beside the job, as a scheduler does: what is gone before we take it away is no
 * failure. */

struct sweep {
    struct rollback *r;
    const json_t *seen; /* paths, escaped as in the list */
    const json_t *globs;
    const char *root;
    struct stat store; /* lives on, wherever it is */
};

static int is_excluded(const struct sweep *s, const char *rel, const char *name)
{
    for (size_t i = 0; i < json_array_size(s->globs); i++) {
        autofree char *glob = NULL;
        if (bv_json_unescape(json_array_get(s->globs, i), &glob, NULL) == 0 &&
            (fnmatch(glob, rel, 0) == 0 || fnmatch(glob, name, 0) == 0))
            return 1;
    }
    return 0;
}

static int sweep_dir(struct sweep *s, int owned, const char *prefix, struct bv_error *err);

static int move_aside(struct sweep *s, int dir, const char *name, const char *rel, struct bv_error *err)
{
    autoclose int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    autofree char *path = bv_asprintf("%s/%s", s->root, rel);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || rollback_keep(s->r, fd, 0, path, "created after the checkpoint", err) < 0)
        return fd < 0 ? bv_fail(err, BV_EDENIED, errno, "cannot keep %s aside", path) : -1;
    if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
        return bv_fail(err, BV_EDENIED, errno, "cannot move %s aside", path);
    return 0;
}

static int sweep_entry(struct sweep *s, int dir, const char *name, const char *prefix, struct bv_error *err)
{
    struct stat st;
    autofree char *rel = *prefix ? bv_asprintf("%s/%s", prefix, name) : bv_strdup(name);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || is_excluded(s, rel, name))
        return 0;
    autojson json_t *key = bv_json_bytes(rel);
    int known = json_object_get(s->seen, json_string_value(key)) != NULL;

    if (S_ISDIR(st.st_mode)) {
        if (st.st_dev == s->store.st_dev && st.st_ino == s->store.st_ino)
            return 0;
        int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub < 0)
            return known || errno == ENOENT ? 0 : bv_fail(err, BV_EDENIED, errno, "cannot open the directory %s", rel);
        if (sweep_dir(s, sub, rel, err) < 0)
            return -1;
        /* A directory made since goes when it is empty; what was excluded keeps it. */
        if (!known && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT)
            return bv_fail(err, BV_EDENIED, errno, "cannot remove the directory %s", rel);
        return 0;
    }
    if (known)
        return 0;
    if (S_ISREG(st.st_mode))
        return move_aside(s, dir, name, rel, err);
    if (S_ISLNK(st.st_mode) && unlinkat(dir, name, 0) < 0 && errno != ENOENT)
        return bv_fail(err, BV_EDENIED, errno, "cannot remove the link %s", rel);
    return 0;
}

static int sweep_dir(struct sweep *s, int owned, const char *prefix, struct bv_error *err)
{
    autoclosedir DIR *dir = fdopendir(owned);
    if (!dir) {
        close(owned);
        return bv_fail(err, BV_EINTERNAL, errno, "cannot list %s", prefix);
    }
    for (const char *name; (name = bv_list_next(dir));)
        if (sweep_entry(s, dirfd(dir), name, prefix, err) < 0)
            return -1;
    return errno && errno != ENOENT ? bv_fail(err, BV_EINTERNAL, errno, "cannot list %s", prefix) : 0;
}

int rollback_directory(struct rollback *r, const json_t *d, struct bv_error *err)
{
    autofree char *root = NULL;
    json_t *entries, *globs;
    if (bv_json_get_bytes(d, "path", &root, err) < 0 ||
        bv_json_array(d, "entries", CAPTURE_ENTRIES, &entries, err) < 0 ||
        bv_json_array(d, "no_capture", CAPTURE_ENTRIES, &globs, err) < 0)
        return -1;
    if (!bv_is_clean_path(root))
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of files is not valid");

    autoclose int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT && json_array_size(entries) == 0)
        return 0;
    if (dir < 0 && errno == ENOENT && mkdir(root, 0700) == 0)
        dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return bv_fail(err, BV_ECHANGED, errno, "cannot open the directory %s", root);

    autojson json_t *seen = json_object();
    r->directory = root;
    if (rollback_put_entries(r, dir, entries, seen, err) < 0)
        return bv_wrap(err, "%s", root);
    if (r->fresh)
        return 0;

    struct sweep s = {.r = r, .seen = seen, .globs = globs, .root = root};
    if (fstatat(r->kept_fd, "../../../..", &s.store, 0) < 0) /* STORE/jobs/J/kept/N */
        return bv_fail(err, BV_EINTERNAL, errno, "cannot stat the store");
    int again = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open %s", root);
    return sweep_dir(&s, again, "", err);
}
