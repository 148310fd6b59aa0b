/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/fds.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/mem.h"
#include "proc/tree.h"

void bv_fd_sockets_free(struct bv_fd_sockets *s)
{
    free(s->socket);
    *s = (struct bv_fd_sockets){0};
}

static void add(struct bv_fd_sockets *all, struct bv_fd_socket s)
{
    if ((all->count & (all->count - 1)) == 0)
        all->socket = bv_realloc(all->socket, all->count ? all->count * 2 : 1, sizeof(*all->socket));
    all->socket[all->count++] = s;
}

static int cannot_list(pid_t pid, struct bv_error *err)
{
    if (errno == ENOENT || errno == ESRCH || errno == EACCES || errno == EPERM)
        return 0;
    return bv_fail(err, BV_EINTERNAL, errno, "cannot list the sockets of process %d", (int)pid);
}

static int collect(int procfd, pid_t pid, struct bv_fd_sockets *all, struct bv_error *err)
{
    char name[32], target[64];
    snprintf(name, sizeof(name), "%d/fd", (int)pid);
    autoclose int fd = openat(procfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclosedir DIR *dir = fd < 0 ? NULL : bv_list_open(fd);
    if (!dir)
        return cannot_list(pid, err);
    for (const char *number; (number = bv_list_next(dir));) {
        struct bv_fd_socket s = {.pid = pid, .fd = atoi(number)};
        ssize_t n = readlinkat(dirfd(dir), number, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        if (sscanf(target, "socket:[%" SCNu64 "]", &s.inode) == 1)
            add(all, s);
    }
    return errno ? cannot_list(pid, err) : 0;
}

static int by_inode(const void *a, const void *b)
{
    const struct bv_fd_socket *x = a, *y = b;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    return x->pid != y->pid ? (x->pid > y->pid) - (x->pid < y->pid) : (x->fd > y->fd) - (x->fd < y->fd);
}

static void keep_each_once(struct bv_fd_sockets *all)
{
    size_t kept = 0;
    if (all->count)
        qsort(all->socket, all->count, sizeof(*all->socket), by_inode);
    for (size_t i = 0; i < all->count; i++)
        if (kept == 0 || all->socket[i].inode != all->socket[kept - 1].inode)
            all->socket[kept++] = all->socket[i];
    all->count = kept;
}

int bv_fd_sockets_scan(int procfd, pid_t root, struct bv_fd_sockets *ret, struct bv_error *err)
{
    autopids struct bv_pids pids = {0};
    autofdsockets struct bv_fd_sockets all = {0};
    if (bv_tree_scan(procfd, root, &pids, err) < 0)
        return -1;
    for (size_t i = 0; i < pids.count; i++)
        if (collect(procfd, pids.pid[i], &all, err) < 0)
            return -1;
    keep_each_once(&all);
    *ret = all;
    all = (struct bv_fd_sockets){0};
    return 0;
}
