/* SPDX-License-Identifier: Apache-2.0 */
#include "base/treecopy.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"

struct copy {
    const struct bv_tree_copy *how;
    struct bv_tree_copied done;
};

static int copy_dir(struct copy *c, int from, int to, int depth, struct bv_error *err);

static int fail_file(const char *name, int sys_errno, struct bv_error *err)
{
    enum bv_code code = bv_store_code(sys_errno) == BV_ENOSPACE ? BV_ENOSPACE : BV_EDENIED;
    return bv_fail(err, code, sys_errno, "cannot copy %s", name);
}

static int is_skipped(const struct copy *c, const struct stat *st)
{
    for (size_t i = 0; i < c->how->skip_count; i++)
        if (c->how->skip[i].dev == st->st_dev && c->how->skip[i].ino == st->st_ino)
            return 1;
    return 0;
}

/* Times last: whatever else is done to a file changes them. */
static int set_mode_and_times(int fd, const struct stat *st)
{
    struct timespec times[2] = {st->st_atim, st->st_mtim};
    return fchmod(fd, st->st_mode & 07777) < 0 ? -1 : futimens(fd, times);
}

static int copy_file(struct copy *c, int from, int to, const char *name, struct bv_error *err)
{
    struct stat st;
    autoclose int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) < 0)
        return fail_file(name, errno, err);
    c->done.files++;
    c->done.bytes += (uint64_t)st.st_blocks * 512;
    if (c->how->limit && c->done.bytes > c->how->limit)
        return bv_fail(err, BV_EUSAGE, 0, "it holds more than %llu MiB", (unsigned long long)(c->how->limit >> 20));
    autoclose int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0 || bv_copy_file(in, out, st.st_size, NULL) < 0 || set_mode_and_times(out, &st) < 0)
        return fail_file(name, errno, err);
    return 0;
}

static int copy_link(int from, int to, const char *name, const struct stat *st, struct bv_error *err)
{
    char target[PATH_MAX];
    struct timespec times[2] = {st->st_atim, st->st_mtim};
    ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
    if (n < 0)
        return fail_file(name, errno, err);
    target[n] = '\0';
    if (symlinkat(target, to, name) < 0 || utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_file(name, errno, err);
    return 0;
}

static int copy_subdir(struct copy *c, int from, int to, const char *name, int depth, struct bv_error *err)
{
    struct stat st;
    autoclose int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) < 0 || mkdirat(to, name, 0700) < 0)
        return fail_file(name, errno, err);
    autoclose int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out < 0)
        return fail_file(name, errno, err);
    if (copy_dir(c, in, out, depth + 1, err) < 0)
        return bv_wrap(err, "%s", name);
    return set_mode_and_times(out, &st) < 0 ? fail_file(name, errno, err) : 0;
}

static int copy_entry(struct copy *c, int from, int to, const char *name, int depth, struct bv_error *err)
{
    struct stat st;
    if (c->how->interrupted && c->how->interrupted(c->how->arg))
        return bv_fail(err, BV_EINTERNAL, 0, "interrupted");
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : fail_file(name, errno, err); /* it is just being removed */
    switch (st.st_mode & S_IFMT) {
    case S_IFREG:
        return copy_file(c, from, to, name, err);
    case S_IFDIR:
        return is_skipped(c, &st) ? 0 : copy_subdir(c, from, to, name, depth, err);
    case S_IFLNK:
        return copy_link(from, to, name, &st, err);
    case S_IFIFO:
        return mkfifoat(to, name, st.st_mode & 07777) < 0 ? fail_file(name, errno, err) : 0;
    default:
        c->done.left_out++;
        return 0;
    }
}

static int copy_dir(struct copy *c, int from, int to, int depth, struct bv_error *err)
{
    if (depth > BV_TREE_DEPTH)
        return bv_fail(err, BV_EUSAGE, 0, "there are more than %d directories within each other", BV_TREE_DEPTH);
    autoclosedir DIR *dir = bv_list_open(from);
    if (!dir)
        return bv_fail(err, BV_EDENIED, errno, "cannot list a directory");
    for (const char *name; (name = bv_list_next(dir));)
        if (copy_entry(c, from, to, name, depth, err) < 0)
            return -1;
    return errno ? bv_fail(err, BV_EDENIED, errno, "cannot list a directory") : 0;
}

int bv_tree_copy(int from, int to, const struct bv_tree_copy *how, struct bv_tree_copied *ret, struct bv_error *err)
{
    struct copy c = {.how = how};
    if (copy_dir(&c, from, to, 0, err) < 0)
        return -1;
    if (ret)
        *ret = c.done;
    return 0;
}
