/* SPDX-License-Identifier: Apache-2.0 */
#include "job/scratch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/treecopy.h"

#define LOCK_NAME "lock"
#define SUFFIX    7 /* "-XXXXXX" */

#define SOCKET_DIR_MAX 80 /* bytes: the address of a socket has 108 */

/* Directories that were made read-only can still be emptied by their owner. Best effort: the removal will tell. */
static void open_up(int dirfd, const char *name, int depth)
{
    autoclose int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0700) < 0 || depth > BV_TREE_DEPTH)
        return;
    autoclosedir DIR *dir = fdopendir(dup(fd));
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if ((e->d_type == DT_DIR || e->d_type == DT_UNKNOWN) && strcmp(e->d_name, ".") != 0 &&
            strcmp(e->d_name, "..") != 0)
            open_up(fd, e->d_name, depth + 1);
}

static int remove_all(int dirfd, const char *name, struct bv_error *err)
{
    if (bv_remove_tree(dirfd, name, NULL) == 0)
        return 0;
    open_up(dirfd, name, 0);
    return bv_remove_tree(dirfd, name, err);
}

/* The lock of a directory whose command has died, held; -1 if it is in use, or is none of ours. */
static int lock_abandoned(int parent, const char *name)
{
    struct stat st;
    autoclose int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || fstat(dir, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077))
        return -1;
    autoclose int lock = openat(dir, LOCK_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 ? steal_fd(&lock) : -1;
}

static void sweep(int parent, const char *prefix)
{
    size_t n = strlen(prefix);
    autoclosedir DIR *dir = fdopendir(dup(parent));
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        if (strncmp(e->d_name, prefix, n) != 0 || strlen(e->d_name) != n + SUFFIX || e->d_name[n] != '-')
            continue;
        autoclose int lock = lock_abandoned(parent, e->d_name); /* until it is gone: see lock_new() */
        if (lock >= 0)
            remove_all(parent, e->d_name, NULL);
    }
}

static int make_new(const char *parent, const char *prefix, struct bv_scratch *s, struct bv_error *err)
{
    *s = (struct bv_scratch){.path = bv_asprintf("%s/%s-XXXXXX", parent, prefix), .dirfd = -1, .lock = -1};
    if (mkdtemp(s->path))
        return 0;
    bv_fail(err, errno == EACCES || errno == EROFS ? BV_EDENIED : bv_store_code(errno), errno,
            "cannot create a directory in %s (see TMPDIR)", parent);
    bv_scratch_keep(s);
    return -1;
}

/* Returns 1, or 0 if another command has taken the new directory for an abandoned one, in the moment in which its lock
 * was there and nobody held it. */
static int lock_new(struct bv_scratch *s)
{
    struct stat st;
    s->dirfd = open(s->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    s->lock = openat(s->dirfd, LOCK_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s->lock < 0)
        return -1;
    if (flock(s->lock, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? 0 : -1;
    return fstat(s->lock, &st) < 0 ? -1 : st.st_nlink > 0;
}

int bv_scratch_create(const char *parent, const char *prefix, struct bv_scratch *ret, struct bv_error *err)
{
    autoclose int up = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (up < 0)
        return bv_fail(err, BV_EDENIED, errno, "cannot work in the directory %s (see TMPDIR)", parent);
    sweep(up, prefix);

    struct bv_scratch s;
    int locked;
    do {
        if (make_new(parent, prefix, &s, err) < 0)
            return -1;
        locked = lock_new(&s);
        if (locked == 0)
            bv_scratch_keep(&s);
    } while (locked == 0);
    if (locked < 0) {
        bv_fail(err, bv_store_code(errno), errno, "cannot lock %s", s.path);
        bv_scratch_remove(&s);
        return -1;
    }
    *ret = s;
    return 0;
}

int bv_scratch_drop(const struct bv_scratch *s, const char *name, struct bv_error *err)
{
    return remove_all(s->dirfd, name, err);
}

void bv_scratch_keep(struct bv_scratch *s)
{
    close_fd(&s->dirfd);
    close_fd(&s->lock);
    free(steal_ptr(&s->path));
}

void bv_scratch_remove(struct bv_scratch *s)
{
    struct bv_error err = {0};
    if (!s->path)
        return;
    if (remove_all(AT_FDCWD, s->path, &err) < 0)
        bv_warn("cannot remove %s: %s", s->path, err.text);
    bv_scratch_keep(s);
}

void bv_scratch_sockets(const struct bv_scratch *s)
{
    autofree char *run = bv_asprintf("%s/run", s->path);
    if (strlen(run) < SOCKET_DIR_MAX && (mkdir(run, 0700) == 0 || errno == EEXIST))
        setenv("BIVOUAC_RUNTIME_DIR", run, 1);
}
