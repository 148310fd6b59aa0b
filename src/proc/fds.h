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

/* A socket, and one of the descriptors that lead to it. */
struct bv_fd_socket {
    uint64_t inode;
    pid_t pid;
    int fd;
};

struct bv_fd_sockets {
    struct bv_fd_socket *socket; /* each once, ascending by inode */
    size_t count;
};
void bv_fd_sockets_free(struct bv_fd_sockets *s);
#define autofdsockets __attribute__((cleanup(bv_fd_sockets_free)))

/* All sockets of `root` and its descendants, by links alone: of many descriptors much faster than the above. A process
 * that is gone, has ended, or may not be looked at, has none. Errors: BV_ENOTRUNNING if that is `root`, BV_EINTERNAL.
 */
int bv_fd_sockets_scan(int procfd, pid_t root, struct bv_fd_sockets *ret, struct bv_error *err);

/* Open what descriptor `fd` of `pid` refers to, by its /proc link, so that a renamed or deleted file is still found.
 * Returns the descriptor, or -1 with errno. */
int bv_fd_reopen(int procfd, pid_t pid, int fd, int flags);

/* The very descriptor `fd` of `pid`, a process of our own pid namespace: for what is no file, and can only be asked. It
 * has one place and one set of flags with the process's. Returns a descriptor, or -1 with errno. */
int bv_fd_borrow(pid_t pid, int fd);
