/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

/* Open descriptors of a process, from /proc/PID/fd and /proc/PID/fdinfo. */
enum bv_fd_kind {
    BV_FD_FILE, /* regular file */
    BV_FD_DIR,
    BV_FD_CHAR,
    BV_FD_BLOCK,
    BV_FD_FIFO, /* named */
    BV_FD_PIPE,
    BV_FD_SOCKET,
    BV_FD_ANON, /* anon_inode:…; `target` says which */
    BV_FD_OTHER,
};

struct bv_fd {
    int fd;
    enum bv_fd_kind kind;
    char *target;   /* what readlink says, without " (deleted)"; for regular files the path in the process's mounts */
    int deleted;    /* the name is gone or another file's (or the link count is 0) */
    unsigned flags; /* open(2) flags, O_APPEND and so on */
    int64_t pos;    /* file offset */
    struct stat st; /* of the open file itself; of network file systems, as the kernel has seen it last */
    char *info;     /* the whole fdinfo text */
};

struct bv_fds {
    struct bv_fd *fd; /* ascending by number */
    size_t count;
};
void bv_fds_free(struct bv_fds *f);
#define autofds __attribute__((cleanup(bv_fds_free)))

/* All descriptors of process `pid`. Limit: 1048576. A descriptor that vanished meanwhile is left out.
 * Errors: BV_ENOTRUNNING, BV_EDENIED (not our process), BV_EINTERNAL. */
int bv_fds_scan(int procfd, pid_t pid, struct bv_fds *ret, struct bv_error *err);

/* Open what descriptor `fd` of `pid` refers to, by its /proc link, so that a renamed or deleted file is still found.
 * Returns the descriptor, or -1 with errno. */
int bv_fd_reopen(int procfd, pid_t pid, int fd, int flags);

/* The very descriptor `fd` of `pid`, a process of our own pid namespace: for what is no file, and can only be asked. It
 * has one place and one set of flags with the process's. Returns a descriptor, or -1 with errno. */
int bv_fd_borrow(pid_t pid, int fd);
