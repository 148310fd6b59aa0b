/* SPDX-License-Identifier: Apache-2.0 */
#include "base/treediff.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/treecopy.h"

#define CHUNK (256 << 10)

struct names {
    char **name;
    size_t count;
};

struct compare {
    struct bv_tree_differences found;
    const struct bv_tree_compare *how;
    char *buf[2]; /* CHUNK bytes each */
};

void bv_tree_differences_free(struct bv_tree_differences *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->list[i].path);
    free(d->list);
    *d = (struct bv_tree_differences){0};
}

static void names_free(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->name[i]);
    free(n->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_of(int dirfd, struct names *ret, struct bv_error *err)
{
    autoclosedir DIR *dir = bv_list_open(dirfd);
    if (!dir)
        return bv_fail(err, BV_EDENIED, errno, "cannot list a directory");
    for (const char *name; (name = bv_list_next(dir));) {
        ret->name = bv_realloc(ret->name, ret->count + 1, sizeof(char *));
        ret->name[ret->count++] = bv_strdup(name);
    }
    if (errno)
        return bv_fail(err, BV_EDENIED, errno, "cannot list a directory");
    if (ret->count > 0)
        qsort(ret->name, ret->count, sizeof(char *), by_name);
    return 0;
}

static void note(struct compare *c, const char *path, struct bv_tree_difference d)
{
    c->found.total++;
    if (c->found.count >= c->how->max)
        return;
    d.path = bv_strdup(path);
    c->found.list = bv_realloc(c->found.list, c->found.count + 1, sizeof(d));
    c->found.list[c->found.count++] = d;
}

static uint64_t lines_in(const char *bytes, size_t size)
{
    uint64_t n = 0;
    for (const char *p = bytes; (p = memchr(p, '\n', size - (size_t)(p - bytes))); p++)
        n++;
    return n;
}

/* 0 = the same; 1 = they differ from *offset on, in line *line; -1 with errno. */
static int compare_bytes(struct compare *c, int a, int b, uint64_t *offset, uint64_t *line)
{
    *offset = 0;
    *line = 1;
    for (;;) {
        ssize_t n = bv_read_full(a, c->buf[0], CHUNK), m = bv_read_full(b, c->buf[1], CHUNK);
        if (n < 0 || m < 0)
            return -1;
        size_t common = (size_t)(n < m ? n : m), same = 0;
        if (memcmp(c->buf[0], c->buf[1], common) == 0)
            same = common;
        else
            while (c->buf[0][same] == c->buf[1][same])
                same++;
        *offset += same;
        *line += lines_in(c->buf[0], same);
        if (same < common || n != m)
            return 1;
        if (n < CHUNK)
            return 0;
    }
}

static int compare_files(struct compare *c, int const dir[2], const char *name, const char *path, struct bv_error *err)
{
    struct stat st[2];
    struct bv_tree_difference d = {.kind = BV_TREE_CONTENT};
    autoclose int a = openat(dir[0], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    autoclose int b = openat(dir[1], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (a < 0 || b < 0 || fstat(a, &st[0]) < 0 || fstat(b, &st[1]) < 0)
        return bv_fail(err, BV_EDENIED, errno, "cannot compare %s", path);
    int differ = compare_bytes(c, a, b, &d.offset, &d.line);
    if (differ < 0)
        return bv_fail(err, BV_EDENIED, errno, "cannot read %s", path);
    d.size[0] = (uint64_t)st[0].st_size;
    d.size[1] = (uint64_t)st[1].st_size;
    if (differ)
        note(c, path, d);
    return 0;
}

static int compare_links(struct compare *c, int const dir[2], const char *name, const char *path, struct bv_error *err)
{
    char target[2][PATH_MAX];
    ssize_t n[2];
    for (int i = 0; i < 2; i++) {
        n[i] = readlinkat(dir[i], name, target[i], sizeof(target[i]));
        if (n[i] < 0)
            return bv_fail(err, BV_EDENIED, errno, "cannot read %s", path);
    }
    if (n[0] != n[1] || memcmp(target[0], target[1], (size_t)n[0]) != 0)
        note(c, path, (struct bv_tree_difference){.kind = BV_TREE_CONTENT});
    return 0;
}

static int compare_dirs(struct compare *c, int const dir[2], const char *prefix, int depth, struct bv_error *err);

static int compare_subdirs(struct compare *c, int const dir[2], const char *name, const char *path, int depth,
                           struct bv_error *err)
{
    autoclose int a = openat(dir[0], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    autoclose int b = openat(dir[1], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (a < 0 || b < 0)
        return bv_fail(err, BV_EDENIED, errno, "cannot open %s", path);
    return compare_dirs(c, (int[]){a, b}, path, depth + 1, err);
}

static int compare_entry(struct compare *c, int const dir[2], const char *name, const char *path, int depth,
                         struct bv_error *err)
{
    struct stat st[2];
    for (int i = 0; i < 2; i++)
        if (fstatat(dir[i], name, &st[i], AT_SYMLINK_NOFOLLOW) < 0)
            return bv_fail(err, BV_EDENIED, errno, "cannot stat %s", path);
    if ((st[0].st_mode & S_IFMT) != (st[1].st_mode & S_IFMT)) {
        note(c, path, (struct bv_tree_difference){.kind = BV_TREE_TYPE});
        return 0;
    }
    if (st[0].st_mode != st[1].st_mode)
        note(c, path,
             (struct bv_tree_difference){.kind = BV_TREE_MODE, .mode = {st[0].st_mode & 07777, st[1].st_mode & 07777}});
    switch (st[0].st_mode & S_IFMT) {
    case S_IFREG:
        return compare_files(c, dir, name, path, err);
    case S_IFLNK:
        return compare_links(c, dir, name, path, err);
    case S_IFDIR:
        return compare_subdirs(c, dir, name, path, depth, err);
    default:
        return 0;
    }
}

static int is_ignored(const struct compare *c, const char *path, const char *name)
{
    for (char **glob = c->how->ignore; glob && *glob; glob++)
        if (fnmatch(*glob, path, 0) == 0 || fnmatch(*glob, name, 0) == 0)
            return 1;
    return 0;
}

static int compare_names(struct compare *c, int const dir[2], const struct names n[2], const char *prefix, int depth,
                         struct bv_error *err)
{
    size_t i = 0, j = 0;
    while (i < n[0].count || j < n[1].count) {
        int order = i == n[0].count ? 1 : j == n[1].count ? -1 : strcmp(n[0].name[i], n[1].name[j]);
        const char *name = order <= 0 ? n[0].name[i] : n[1].name[j];
        autofree char *path = *prefix ? bv_asprintf("%s/%s", prefix, name) : bv_strdup(name);
        int ignored = is_ignored(c, path, name);
        if (!ignored && order < 0)
            note(c, path, (struct bv_tree_difference){.kind = BV_TREE_ONLY_FIRST});
        else if (!ignored && order > 0)
            note(c, path, (struct bv_tree_difference){.kind = BV_TREE_ONLY_SECOND});
        else if (!ignored && compare_entry(c, dir, name, path, depth, err) < 0)
            return -1;
        i += order <= 0;
        j += order >= 0;
    }
    return 0;
}

static int compare_dirs(struct compare *c, int const dir[2], const char *prefix, int depth, struct bv_error *err)
{
    struct names n[2] = {0};
    if (depth > BV_TREE_DEPTH)
        return bv_fail(err, BV_EUSAGE, 0, "there are more than %d directories within each other", BV_TREE_DEPTH);
    int rc = names_of(dir[0], &n[0], err);
    if (rc == 0)
        rc = names_of(dir[1], &n[1], err);
    if (rc == 0)
        rc = compare_names(c, dir, n, prefix, depth, err);
    names_free(&n[0]);
    names_free(&n[1]);
    return rc;
}

int bv_tree_compare(int first, int second, const struct bv_tree_compare *how, struct bv_tree_differences *ret,
                    struct bv_error *err)
{
    autofree char *buf = bv_alloc(2 * CHUNK);
    struct compare c = {.how = how, .buf = {buf, buf + CHUNK}};
    if (compare_dirs(&c, (int[]){first, second}, "", 0, err) < 0) {
        bv_tree_differences_free(&c.found);
        return -1;
    }
    *ret = c.found;
    return 0;
}

char *bv_tree_difference_text(const struct bv_tree_difference *d, const char *first, const char *second)
{
    switch (d->kind) {
    case BV_TREE_ONLY_FIRST:
        return bv_asprintf("exists after %s and not after %s", first, second);
    case BV_TREE_ONLY_SECOND:
        return bv_asprintf("exists after %s and not after %s", second, first);
    case BV_TREE_TYPE:
        return bv_strdup("is of another type");
    case BV_TREE_MODE:
        return bv_asprintf("has mode %04o after %s and %04o after %s", d->mode[0], first, d->mode[1], second);
    case BV_TREE_CONTENT:
        break;
    }
    if (d->line == 0)
        return bv_strdup("is a link to something else");
    return bv_asprintf("differs from byte %llu on (line %llu): %llu bytes after %s, %llu after %s",
                       (unsigned long long)d->offset, (unsigned long long)d->line, (unsigned long long)d->size[0],
                       first, (unsigned long long)d->size[1], second);
}
