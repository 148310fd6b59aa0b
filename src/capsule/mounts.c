/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "base/mem.h"

#define SIBLINGS_MAX 512

#ifndef OPEN_TREE_CLONE /* glibc < 2.36 */
#define OPEN_TREE_CLONE         1
#define OPEN_TREE_CLOEXEC       O_CLOEXEC
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 1
struct mount_attr {
    uint64_t attr_set, attr_clr, propagation, userns_fd;
};
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

static int mount_one(const char *source, const char *target, const char *type, unsigned long flags, const char *data,
                     struct bv_error *err)
{
    if (mount(source, target, type, flags, data) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot mount %s on %s in the job's namespaces", source, target);
    return 0;
}

/* Show entry `name` of the directory `from` at `to`/`name` too. What cannot be shown is left out: it was not reachable
 * for the job, or is of no use in it. */
static void show_entry(int from, const char *to, const char *name)
{
    char source[PATH_MAX], target[PATH_MAX], link[PATH_MAX];
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    int n = snprintf(target, sizeof(target), "%s/%s", to, name);
    if (n < 0 || (size_t)n >= sizeof(target))
        return;

    if (S_ISLNK(st.st_mode)) {
        ssize_t length = readlinkat(from, name, link, sizeof(link) - 1);
        if (length > 0) {
            link[length] = '\0';
            if (symlink(link, target) < 0)
                return;
        }
        return;
    }
    int made = S_ISDIR(st.st_mode) ? mkdir(target, 0755) : mknod(target, S_IFREG | 0600, 0);
    snprintf(source, sizeof(source), "/proc/self/fd/%d/%s", from, name);
    if (made == 0 && mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0)
        S_ISDIR(st.st_mode) ? rmdir(target) : unlink(target);
}

/* Lay a writable directory over `path`, in which everything that was there is still seen. */
static int overlay(const char *path, struct bv_error *err)
{
    autoclosedir DIR *dir = opendir(path);
    if (!dir)
        return bv_fail(err, BV_EHOST, errno, "cannot list %s", path);
    if (mount_one("bivouac", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=4m", err) < 0)
        return -1;
    int shown = 0;
    for (const char *name; (name = bv_list_next(dir));) {
        if (++shown > SIBLINGS_MAX)
            return bv_fail(err, BV_EHOST, 0, "%s has more than %d entries: create the missing directory in it yourself",
                           path, SIBLINGS_MAX);
        show_entry(dirfd(dir), path, name);
    }
    return errno ? bv_fail(err, BV_EHOST, errno, "cannot list %s", path) : 0;
}

/* Make sure that something of the right type is at `path`, to mount on. Nothing is created on the host: where a
 * directory is missing, its parent is overlaid in our private mounts only. */
static int make_mount_point(const struct bv_capsule_config *config, const char *path, int is_dir, struct bv_error *err)
{
    struct stat st, tmp;
    if (stat(path, &st) == 0) {
        if (!S_ISDIR(st.st_mode) == !is_dir)
            return 0;
        return bv_fail(err, BV_EUSAGE, 0, "cannot bind a %s on %s", is_dir ? "directory" : "file", path);
    }

    char parent[PATH_MAX];
    snprintf(parent, sizeof(parent), "%s", path);
    char *slash;
    do {
        slash = strrchr(parent, '/');
        if (slash == parent)
            return bv_fail(err, BV_ENODIR, 0, "%s cannot be made visible: no directory on its way exists", path);
        *slash = '\0';
    } while (stat(parent, &st) < 0);
    /* A private /tmp is the job's own and needs no overlay. */
    int own = config->private_tmp && stat("/tmp", &tmp) == 0 && tmp.st_dev == st.st_dev;
    if (!own && overlay(parent, err) < 0)
        return -1;

    char partial[PATH_MAX];
    snprintf(partial, sizeof(partial), "%s", path);
    for (char *p = partial + strlen(parent) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        if (mkdir(partial, 0755) < 0 && errno != EEXIST)
            return bv_fail(err, BV_EHOST, errno, "cannot create %s", partial);
    }
    if ((is_dir ? mkdir(path, 0755) : mknod(path, S_IFREG | 0600, 0)) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot create %s", path);
    /* What the job would write beside the bound directory would be lost: let it get an error instead. */
    if (!own && mount(NULL, parent, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot make %s read-only", parent);
    return 0;
}

/* What is mounted at (fd, path), and below it, cannot be written through these mounts any more. */
static int make_read_only(int fd, const char *path, struct bv_error *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (syscall(SYS_mount_setattr, fd, path, AT_RECURSIVE | AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot protect the host's files from the job (Linux 5.12 is needed)");
    return 0;
}

#define COVERS "/dev/shm" /* where nothing else is mounted yet */

/* Lay an overlay over a directory: changes go into memory. */
static void cover(const char *path, size_t number)
{
    char upper[64], work[64], options[256];
    snprintf(upper, sizeof(upper), COVERS "/upper-%zu", number);
    snprintf(work, sizeof(work), COVERS "/work-%zu", number);
    /* By way of the working directory, since a path may have characters that mean something in options. */
    snprintf(options, sizeof(options), "userxattr,lowerdir=.,upperdir=%s,workdir=%s", upper, work);
    struct stat st;
    if (stat(path, &st) < 0 || mkdir(upper, st.st_mode & 07777) < 0 || mkdir(work, 0700) < 0 || chdir(path) < 0)
        return;
    if (mount("bivouac-cover", path, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
        rmdir(upper);
    if (chdir("/") < 0)
        _exit(1);
}

static int protect(const struct bv_capsule_config *config, struct bv_error *err)
{
    if (make_read_only(AT_FDCWD, "/", err) < 0)
        return -1;
    if (!config->covered)
        return 0;
    /* Soon hidden by the job's own /dev/shm, and there for as long as the overlays. */
    if (mount_one("bivouac-covers", COVERS, "tmpfs", MS_NOSUID | MS_NODEV, "mode=700", err) < 0)
        return -1;
    for (size_t i = 0; config->covered[i]; i++)
        cover(config->covered[i], i);
    return 0;
}

/* A mount of its own of what is at `path` now, not attached anywhere yet. -1 with errno. */
static int open_source(const char *path)
{
    return (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
}

static int bind_one(const struct bv_capsule_config *config, int source, const struct bv_bind *b, struct bv_error *err)
{
    struct stat st;
    if (fstat(source, &st) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot stat %s", b->host);
    if (b->read_only && make_read_only(source, "", err) < 0)
        return -1;
    if (make_mount_point(config, b->job, S_ISDIR(st.st_mode), err) < 0)
        return -1;
    if (syscall(SYS_move_mount, source, "", AT_FDCWD, b->job, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot bind %s on %s", b->host, b->job);
    return 0;
}

static int mount_own(const struct bv_capsule_config *config, struct bv_error *err)
{
    char pts[96];
    /* The group that owns a terminal must be mapped in our user namespace, so it is our own and not "tty". */
    snprintf(pts, sizeof(pts), "newinstance,ptmxmode=0666,mode=620,gid=%u", (unsigned)getgid());

    if (mount_one("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, err) < 0 ||
        mount_one("bivouac-shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777", err) < 0 ||
        mount_one("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, pts, err) < 0)
        return -1;
    if (config->private_tmp)
        return mount_one("bivouac-tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777", err);
    return 0;
}

int capsule_mount_all(const struct bv_capsule_config *config, struct bv_error *err)
{
    autofree int *sources = bv_alloc(sizeof(int) * (config->bind_count + 1));

    /* Mounts that the host makes later (automounts) are to be seen by the job; ours are not to be seen by the host. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot separate the job's mounts");

    /* Before anything is covered. */
    for (size_t i = 0; i < config->bind_count; i++) {
        sources[i] = open_source(config->binds[i].host);
        if (sources[i] < 0)
            return bv_fail(err, BV_ENODIR, errno, "cannot open %s", config->binds[i].host);
    }
    if ((config->protect && protect(config, err) < 0) || mount_own(config, err) < 0)
        return -1;

    int rc = 0;
    for (size_t i = 0; i < config->bind_count; i++) {
        if (rc == 0)
            rc = bind_one(config, sources[i], &config->binds[i], err);
        close(sources[i]);
    }
    return rc;
}
