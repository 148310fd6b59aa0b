/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/fds.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "proc/field.h"

#define FDS_MAX  1048576
#define INFO_MAX (16 << 20) /* bytes; an epoll or inotify descriptor has a line of ~100 bytes per watch */

void bv_fds_free(struct bv_fds *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->fd[i].target);
        free(f->fd[i].info);
    }
    free(f->fd);
    *f = (struct bv_fds){0};
}

/* The name comes first: kernels differ in which file type they give an anonymous inode. */
static enum bv_fd_kind kind_of(const char *target, mode_t mode)
{
    if (strncmp(target, "anon_inode:", 11) == 0)
        return BV_FD_ANON;
    switch (mode & S_IFMT) {
    case S_IFREG: /* those of nsfs and pidfs ("net:[4026531840]") are no files of the tree */
        return target[0] == '/' || strncmp(target, "(unreachable)", 13) == 0 ? BV_FD_FILE : BV_FD_OTHER;
    case S_IFDIR:
        return BV_FD_DIR;
    case S_IFCHR:
        return BV_FD_CHAR;
    case S_IFBLK:
        return BV_FD_BLOCK;
    case S_IFIFO:
        return target[0] == '/' ? BV_FD_FIFO : BV_FD_PIPE;
    case S_IFSOCK:
        return BV_FD_SOCKET;
    default:
        return BV_FD_OTHER;
    }
}

/* Does the process see the very same file at `path`? */
static int is_at(int procfd, pid_t pid, const char *path, const struct stat *st)
{
    char name[PATH_MAX + 64];
    struct stat there;
    snprintf(name, sizeof(name), "%d/root%s", (int)pid, path);
    return fstatat(procfd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_dev == st->st_dev &&
           there.st_ino == st->st_ino;
}

/* fstatat(2) that takes what the kernel knows already: a network file system whose server hangs would hang us too. */
static int stat_known(int dirfd, const char *name, struct stat *ret)
{
    struct statx x;
    if (statx(dirfd, name, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &x) < 0)
        return -1;
    *ret = (struct stat){
        .st_dev = makedev(x.stx_dev_major, x.stx_dev_minor),
        .st_rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor),
        .st_ino = x.stx_ino,
        .st_mode = x.stx_mode,
        .st_nlink = x.stx_nlink,
        .st_uid = x.stx_uid,
        .st_gid = x.stx_gid,
        .st_size = (off_t)x.stx_size,
        .st_blksize = (blksize_t)x.stx_blksize,
        .st_blocks = (blkcnt_t)x.stx_blocks,
        .st_atim = {.tv_sec = x.stx_atime.tv_sec, .tv_nsec = x.stx_atime.tv_nsec},
        .st_mtim = {.tv_sec = x.stx_mtime.tv_sec, .tv_nsec = x.stx_mtime.tv_nsec},
        .st_ctim = {.tv_sec = x.stx_ctime.tv_sec, .tv_nsec = x.stx_ctime.tv_nsec},
    };
    return 0;
}

/* Take off the kernel's " (deleted)", unless the file is really called so. Returns whether it is deleted: network file
 * systems drop what the kernel knows of a name, and it then says so of a file that is still there. */
static int strip_deleted(int procfd, pid_t pid, char *target, const struct stat *st)
{
    static const char suffix[] = " (deleted)";
    size_t n = strlen(target), m = sizeof(suffix) - 1;
    if (target[0] != '/' || n <= m || strcmp(target + n - m, suffix) != 0)
        return 0;
    if (st->st_nlink > 0 && is_at(procfd, pid, target, st))
        return 0;
    target[n - m] = '\0';
    return st->st_nlink == 0 || !is_at(procfd, pid, target, st);
}

/* Returns 0, or -1 if the descriptor vanished. */
static int read_one(int procfd, pid_t pid, int dirfd, const char *number, struct bv_fd *ret)
{
    char target[PATH_MAX + 32];
    ssize_t n = readlinkat(dirfd, number, target, sizeof(target) - 1);
    if (n < 0)
        return -1;
    target[n] = '\0';

    struct bv_fd fd = {.fd = (int)strtol(number, NULL, 10)};
    if (stat_known(dirfd, number, &fd.st) < 0)
        return -1;

    char name[64];
    snprintf(name, sizeof(name), "%d/fdinfo/%s", (int)pid, number);
    autofree char *info = bv_read_proc(procfd, name, INFO_MAX);
    if (!info && errno != EFBIG)
        return -1;

    fd.kind = kind_of(target, fd.st.st_mode);
    fd.deleted = strip_deleted(procfd, pid, target, &fd.st);
    if ((fd.kind == BV_FD_FILE || fd.kind == BV_FD_DIR) && fd.st.st_nlink == 0)
        fd.deleted = 1;
    fd.target = bv_strdup(target);
    fd.info = info ? steal_ptr(&info) : bv_strdup("");
    fd.flags = (unsigned)bv_field_number(fd.info, "flags", 8, 0);
    fd.pos = bv_field_number(fd.info, "pos", 10, 0);
    *ret = fd;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct bv_fd *x = a, *y = b;
    return (x->fd > y->fd) - (x->fd < y->fd);
}

static int scan_failed(pid_t pid, int sys_errno, struct bv_error *err)
{
    switch (sys_errno) {
    case ENOENT:
    case ESRCH:
        return bv_fail(err, BV_ENOTRUNNING, 0, "there is no process %d", (int)pid);
    case EACCES:
    case EPERM:
        return bv_fail(err, BV_EDENIED, sys_errno, "cannot look at the open files of process %d", (int)pid);
    default:
        return bv_fail(err, BV_EINTERNAL, sys_errno, "cannot list the open files of process %d", (int)pid);
    }
}

int bv_fds_scan(int procfd, pid_t pid, struct bv_fds *ret, struct bv_error *err)
{
    char name[32];
    snprintf(name, sizeof(name), "%d/fd", (int)pid);
    autoclose int fd = openat(procfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return scan_failed(pid, errno, err);
    (void)steal_fd(&fd);

    autofds struct bv_fds fds = {0};
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e && errno)
            return scan_failed(pid, errno, err);
        if (!e)
            break;
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        if (fds.count == FDS_MAX)
            return bv_fail(err, BV_EINTERNAL, 0, "process %d has more than %d open files", (int)pid, FDS_MAX);
        if ((fds.count & (fds.count - 1)) == 0)
            fds.fd = bv_realloc(fds.fd, fds.count ? fds.count * 2 : 1, sizeof(*fds.fd));
        errno = 0;
        if (read_one(procfd, pid, dirfd(dir), e->d_name, &fds.fd[fds.count]) == 0)
            fds.count++;
        else if (errno == EACCES || errno == EPERM || errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            return scan_failed(pid, errno, err); /* listing is free for all, looking closer is not */
    }
    if (fds.count)
        qsort(fds.fd, fds.count, sizeof(*fds.fd), by_number);
    *ret = fds;
    fds = (struct bv_fds){0};
    return 0;
}

int bv_fd_reopen(int procfd, pid_t pid, int fd, int flags)
{
    char name[64];
    snprintf(name, sizeof(name), "%d/fd/%d", (int)pid, fd);
    return openat(procfd, name, flags | O_CLOEXEC);
}

int bv_fd_borrow(pid_t pid, int fd)
{
    autoclose int process = (int)syscall(SYS_pidfd_open, pid, 0);
    return process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, fd, 0);
}
