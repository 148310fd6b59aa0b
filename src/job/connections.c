/* SPDX-License-Identifier: Apache-2.0 */
#include "job/connections.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "proc/fds.h"
#include "proc/tree.h"

#define TOLD_MAX  100 /* a message is bounded */
#define BOUND_MAX 400 /* each 140 bytes at most; what is left out is not tried before a restart */

void bv_connections_free(struct bv_connections *c)
{
    free(c->socket);
    *c = (struct bv_connections){0};
}

/* --- which sockets the tree has --- */

static struct bv_connection *find(const struct bv_connections *all, uint64_t inode)
{
    const struct bv_connection key = {.at.inode = inode};
    for (size_t low = 0, high = all->count; low < high;) {
        size_t mid = low + (high - low) / 2;
        int order = (all->socket[mid].at.inode > key.at.inode) - (all->socket[mid].at.inode < key.at.inode);
        if (order == 0)
            return &all->socket[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* What a table says of the tree's sockets. */
static int join(int procfd, pid_t root, const char *table, int udp, struct bv_connections *all, struct bv_error *err)
{
    autoinet struct bv_inet_sockets t = {0};
    if (bv_inet_scan(procfd, root, table, &t, err) < 0)
        return -1;
    for (size_t i = 0; i < t.count; i++) {
        struct bv_connection *c = t.socket[i].inode ? find(all, t.socket[i].inode) : NULL;
        if (!c)
            continue;
        c->at = t.socket[i];
        c->udp = udp;
    }
    return 0;
}

int bv_connection_is_tcp(const struct bv_connection *c)
{
    return !c->udp && c->at.state && c->at.state != BV_INET_LISTEN && c->at.state != BV_INET_CLOSED;
}

/* Forget what is no internet socket, and see which connections have both ends here. */
static void judge(struct bv_connections *all, int own_network)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->count; i++)
        if (all->socket[i].at.state)
            all->socket[kept++] = all->socket[i];
    all->count = kept;
    /* In a network of its own nobody else is at the other end, even if that has been closed. */
    for (size_t i = 0; i < kept && own_network; i++)
        all->socket[i].inside = bv_inet_is_loopback(&all->socket[i].at);
    for (size_t i = 0; i < kept; i++)
        for (size_t j = 0; j < kept && bv_connection_is_tcp(&all->socket[i]) && !all->socket[i].inside; j++)
            all->socket[i].inside =
                bv_connection_is_tcp(&all->socket[j]) && bv_inet_are_ends(&all->socket[i].at, &all->socket[j].at);
}

int bv_connections_scan(int procfd, pid_t root, int own_network, struct bv_connections *ret, struct bv_error *err)
{
    static const char *const tables[] = {"tcp", "tcp6", "udp", "udp6"};
    autofdsockets struct bv_fd_sockets sockets = {0};
    if (bv_fd_sockets_scan(procfd, root, &sockets, err) < 0)
        return -1;
    autoconnections struct bv_connections all = {.count = sockets.count};
    all.socket = bv_alloc(sockets.count * sizeof(*all.socket));
    for (size_t i = 0; i < sockets.count; i++) {
        const struct bv_fd_socket *s = &sockets.socket[i];
        all.socket[i] = (struct bv_connection){.pid = s->pid, .fd = s->fd, .at = {.inode = s->inode}};
    }
    for (int i = 0; i < 4 && all.count; i++)
        if (join(procfd, root, tables[i], i >= 2, &all, err) < 0)
            return -1;
    judge(&all, own_network);
    *ret = all;
    all = (struct bv_connections){0};
    return 0;
}

const struct bv_connection *bv_connections_first(const struct bv_connections *c, int inside)
{
    for (size_t i = 0; i < c->count; i++)
        if (bv_connection_is_tcp(&c->socket[i]) && c->socket[i].inside == inside)
            return &c->socket[i];
    return NULL;
}

/* --- the sockets themselves --- */

/* A descriptor of the same socket. */
static int open_socket(const struct bv_connection *c)
{
    autoclose int pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    return pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, c->fd, 0);
}

static int option(int fd, int level, int name)
{
    int value = 0;
    socklen_t size = sizeof(value);
    return fd >= 0 && getsockopt(fd, level, name, &value, &size) == 0 && value;
}

static json_t *bound_json(const struct bv_connection *c)
{
    char address[BV_ADDRESS_TEXT];
    autoclose int fd = open_socket(c);
    json_t *o = json_object();
    bv_inet_text(c->at.local, c->at.v6, address);
    bv_json_set(o, "protocol", json_string(c->udp ? "udp" : "tcp"));
    bv_json_set(o, "address", json_string(address));
    bv_json_set(o, "port", json_integer(c->at.local_port));
    if (c->at.v6 && option(fd, IPPROTO_IPV6, IPV6_V6ONLY))
        bv_json_set(o, "v6only", json_true());
    if (option(fd, SOL_SOCKET, SO_REUSEADDR))
        bv_json_set(o, "reuseaddr", json_true());
    if (option(fd, SOL_SOCKET, SO_REUSEPORT))
        bv_json_set(o, "reuseport", json_true());
    return o;
}

static json_t *outside_json(int procfd, const struct bv_connection *c)
{
    char local[BV_ADDRESS_TEXT], remote[BV_ADDRESS_TEXT];
    struct bv_task task = {0};
    json_t *o = json_object();
    bv_inet_text(c->at.local, c->at.v6, local);
    bv_inet_text(c->at.remote, c->at.v6, remote);
    bv_task_read(procfd, c->pid, &task, NULL);
    bv_json_set(o, "pid", json_integer(c->pid));
    bv_json_set(o, "command", bv_json_bytes(task.comm));
    bv_json_set(o, "local", json_string(local));
    bv_json_set(o, "local_port", json_integer(c->at.local_port));
    bv_json_set(o, "remote", json_string(remote));
    bv_json_set(o, "remote_port", json_integer(c->at.remote_port));
    return o;
}

json_t *bv_connections_json(int procfd, const struct bv_connections *c)
{
    json_t *bound = json_array(), *outside = json_array(), *all = json_object();
    json_int_t more = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct bv_connection *s = &c->socket[i];
        int is_bound = s->at.local_port && (s->udp || s->at.state == BV_INET_LISTEN);
        if (is_bound && json_array_size(bound) < BOUND_MAX)
            bv_json_append(bound, bound_json(s));
        else
            more += is_bound;
        if (bv_connection_is_tcp(s) && !s->inside && json_array_size(outside) < TOLD_MAX)
            bv_json_append(outside, outside_json(procfd, s));
    }
    bv_json_set(all, "bound", bound);
    if (more)
        bv_json_set(all, "more", json_integer(more));
    bv_json_set(all, "outside", outside);
    return all;
}

/* Disconnected, a program reads ECONNRESET; behind that, as the socket is shut down, the end of the file. */
static int close_one(const struct bv_connection *c)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    autoclose int fd = open_socket(c);
    if (fd < 0 || connect(fd, &nobody, sizeof(nobody)) < 0)
        return -1;
    return shutdown(fd, SHUT_RDWR) < 0 && errno != ENOTCONN ? -1 : 0;
}

int bv_connections_close(const struct bv_connections *c, struct bv_error *err)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct bv_connection *s = &c->socket[i];
        if (bv_connection_is_tcp(s) && !s->inside && close_one(s) < 0)
            return bv_fail(err, BV_ERESTORE, errno, "cannot close descriptor %d of pid %d, a connection to outside",
                           s->fd, (int)s->pid);
    }
    return 0;
}
