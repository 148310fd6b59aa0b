/* SPDX-License-Identifier: Apache-2.0 */
/* The job's files as a restart would make them, beside the real ones. */
#include "job/rollback_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/name.h"

struct shadow {
    struct rollback r;
    int dir;
    const char *path;
    struct bv_bind *binds;
    size_t count;
};

int rollback_create(const struct rollback *r, int dir, const char *name, const struct rollback_entry *e,
                    struct bv_error *err)
{
    autoclose int fd = rollback_open(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create a copy of %s", e->path);
    if (e->content >= 0)
        return rollback_fill(r, e, fd, err);
    if (ftruncate(fd, (off_t)e->size) < 0 || fchmod(fd, e->mode) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create a stand-in of %s", e->path);
    return 0;
}

static void add_bind(struct shadow *s, const char *name, const char *path)
{
    s->binds = bv_realloc(s->binds, s->count + 2, sizeof(s->binds[0]));
    s->binds[s->count++] = (struct bv_bind){.host = bv_asprintf("%s/%s", s->path, name), .job = bv_strdup(path)};
    s->binds[s->count] = (struct bv_bind){0};
}

static int shadow_directory(struct shadow *s, const json_t *d, struct bv_error *err)
{
    char name[32];
    json_t *entries;
    autojson json_t *seen = json_object();
    autofree char *path = NULL;
    if (bv_json_get_bytes(d, "path", &path, err) < 0 || bv_json_array(d, "entries", CAPTURE_ENTRIES, &entries, err) < 0)
        return -1;
    if (!bv_is_clean_path(path))
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of files is not valid");
    snprintf(name, sizeof(name), "d%zu", s->count);
    if (mkdirat(s->dir, name, 0700) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create a directory in %s", s->path);
    autoclose int dir = openat(s->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open a directory in %s", s->path);
    s->r.directory = path;
    if (rollback_put_entries(&s->r, dir, entries, seen, err) < 0)
        return bv_wrap(err, "%s", path);
    add_bind(s, name, path);
    return 0;
}

/* A file that was only read is the host's, as long as it is there. */
static int is_wanted(const json_t *j, const struct rollback_entry *e, struct bv_error *err)
{
    const char *class_name;
    struct stat st;
    if (bv_json_str(j, "class", &class_name, err) < 0)
        return -1;
    int class = capture_class_parse(class_name);
    if (class < 0 || !bv_is_clean_path(e->path))
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of files is not valid");
    return class != CLASS_READ_ONLY || (e->content >= 0 && lstat(e->path, &st) < 0);
}

static int shadow_file(struct shadow *s, const json_t *j, struct bv_error *err)
{
    char name[32];
    struct rollback_entry e = {0};
    if (rollback_parse_entry(j, &e, err) < 0)
        return -1;
    autofree char *path = e.path;
    int wanted = is_wanted(j, &e, err);
    if (wanted <= 0)
        return wanted;
    snprintf(name, sizeof(name), "f%zu", s->count);
    if (rollback_create(&s->r, s->dir, name, &e, err) < 0)
        return -1;
    add_bind(s, name, path);
    return 0;
}

static int make_all(struct shadow *s, const json_t *all, struct bv_error *err)
{
    json_t *directories, *files;
    if (bv_json_array(all, "directories", CAPTURE_ENTRIES, &directories, err) < 0 ||
        bv_json_array(all, "files", CAPTURE_ENTRIES, &files, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(directories); i++) {
        int is_volatile;
        const json_t *d = json_array_get(directories, i);
        if (bv_json_bool(d, "volatile", &is_volatile, err) < 0 || (!is_volatile && shadow_directory(s, d, err) < 0))
            return -1;
    }
    for (size_t i = 0; i < json_array_size(files); i++)
        if (shadow_file(s, json_array_get(files, i), err) < 0)
            return -1;
    return 0;
}

int bv_rollback_shadow(int staging, int shadow, const char *path, struct bv_bind **ret, struct bv_error *err)
{
    struct shadow s = {.r = {.kept_fd = -1, .fresh = 1, .stand_in = 1}, .dir = shadow, .path = path};
    autojson json_t *all = NULL;
    if (rollback_load(staging, &all, err) < 0)
        return -1;
    s.r.files = openat(staging, BV_CAPTURE_FILES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    s.binds = bv_alloc(sizeof(s.binds[0]));
    int rc = make_all(&s, all, err);
    close_fd(&s.r.files);
    if (rc == 0) {
        *ret = s.binds;
        return 0;
    }
    for (size_t i = 0; i < s.count; i++) {
        free(s.binds[i].host);
        free(s.binds[i].job);
    }
    free(s.binds);
    return -1;
}
