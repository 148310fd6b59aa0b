/* SPDX-License-Identifier: Apache-2.0 */
#include "job/ports.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "proc/socket.h"
#include "proc/tree.h"

#define BOUND_MAX 4096

/* One of "bound" (doc/format/job.md). */
struct bound {
    const char *address;
    int udp, v6, v6only, reuseaddr, reuseport;
    uint16_t port;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } to;
    socklen_t size;
};

static int parse(const json_t *o, struct bound *ret, struct bv_error *err)
{
    const char *protocol;
    uint64_t port;
    struct bound b = {0};
    if (bv_json_str(o, "protocol", &protocol, err) < 0 || bv_json_str(o, "address", &b.address, err) < 0 ||
        bv_json_u64(o, "port", UINT16_MAX, &port, err) < 0)
        return -1;
    b.udp = strcmp(protocol, "udp") == 0;
    b.v6only = json_is_true(json_object_get(o, "v6only"));
    b.reuseaddr = json_is_true(json_object_get(o, "reuseaddr"));
    b.reuseport = json_is_true(json_object_get(o, "reuseport"));
    b.port = (uint16_t)port;
    if (inet_pton(AF_INET, b.address, &b.to.in.sin_addr) == 1) {
        b.to.in.sin_family = AF_INET;
        b.to.in.sin_port = htons(b.port);
        b.size = sizeof(b.to.in);
    } else if (inet_pton(AF_INET6, b.address, &b.to.in6.sin6_addr) == 1) {
        b.v6 = 1;
        b.to.in6.sin6_family = AF_INET6;
        b.to.in6.sin6_port = htons(b.port);
        b.size = sizeof(b.to.in6);
    }
    if (!b.size || (!b.udp && strcmp(protocol, "tcp") != 0))
        return bv_fail(err, BV_ECORRUPT, 0, "\"bound\" names no address");
    *ret = b;
    return 0;
}

static int set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

/* As the engine does: a port that only waits for stray packets of its last user is free for TCP. 0, or an errno. */
static int try_bind(const struct bound *b)
{
    autoclose int fd = socket(b->to.any.sa_family, (b->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    if ((b->v6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, b->v6only) < 0) ||
        ((!b->udp || b->reuseaddr) && set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0) ||
        (b->reuseport && set(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0) || bind(fd, &b->to.any, b->size) < 0 ||
        (!b->udp && listen(fd, 1) < 0))
        return errno;
    return 0;
}

/* --- who has it --- */

/* Inode of a socket that has the port, 0 if there is none to be seen. */
static uint64_t find_inode(int procfd, const struct bound *b)
{
    static const char *const tables[] = {"tcp", "tcp6", "udp", "udp6"};
    for (size_t k = b->udp ? 2 : 0; k < (b->udp ? 4U : 2U); k++) {
        autoinet struct bv_inet_sockets t = {0};
        if (bv_inet_scan(procfd, getpid(), tables[k], &t, NULL) < 0)
            continue;
        for (size_t i = 0; i < t.count; i++)
            if (t.socket[i].inode && t.socket[i].local_port == b->port &&
                (b->udp || t.socket[i].state == BV_INET_LISTEN))
                return t.socket[i].inode;
    }
    return 0;
}

static int has_socket(int procfd, const char *pid, uint64_t inode)
{
    char name[300];
    struct stat st;
    snprintf(name, sizeof(name), "%.200s/fd", pid);
    int fd = openat(procfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (const struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if (fstatat(fd, e->d_name, &st, 0) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == inode)
            return 1;
    return 0;
}

/* " by pid 77 (nginx)"; "" if it is not to be seen, as it is not where it is another user's. */
static char *find_holder(const struct bound *b)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t inode = procfd < 0 ? 0 : find_inode(procfd, b);
    int again = inode ? dup(procfd) : -1;
    autoclosedir DIR *dir = again < 0 ? NULL : fdopendir(again);
    for (const struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        struct bv_task task;
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && has_socket(procfd, e->d_name, inode) &&
            bv_task_read(procfd, atoi(e->d_name), &task, NULL) == 0)
            return bv_asprintf(" by pid %d (%s)", (int)task.pid, task.comm);
    }
    return bv_strdup("");
}

static int fail(const struct bound *b, int why, struct bv_error *err)
{
    const char *kind = b->udp ? "UDP" : "TCP";
    if (why == EADDRNOTAVAIL)
        return bv_fail(err, BV_EHOST, 0,
                       "the job has %s port %u at the address %s, which this host does not have: give it to the host, "
                       "or restart the job where it is; nothing was changed",
                       kind, b->port, b->address);
    if (why != EADDRINUSE)
        return bv_fail(err, BV_EHOST, why,
                       "the job has %s port %u at the address %s, and cannot get it here; nothing was changed", kind,
                       b->port, b->address);
    autofree char *holder = find_holder(b);
    for (char *c = holder; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = '?';
    return bv_fail(err, BV_EHOST, 0,
                   "the job has %s port %u at the address %s, which is in use here%s: end what uses it, or restart the "
                   "job on another host; nothing was changed",
                   kind, b->port, b->address, holder);
}

/* The scope of a link-local address is not known here; its engine will tell. */
static int is_link_local(const struct bound *b)
{
    return b->v6 && IN6_IS_ADDR_LINKLOCAL(&b->to.in6.sin6_addr);
}

int bv_ports_check(const json_t *content, struct bv_error *err)
{
    json_t *network = json_object_get(content, "network"), *bound;
    if (!network)
        return 0; /* of a Bivouac that did not look */
    if (bv_json_array(network, "bound", BOUND_MAX, &bound, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(bound); i++) {
        struct bound b;
        if (parse(json_array_get(bound, i), &b, err) < 0)
            return -1;
        int why = is_link_local(&b) ? 0 : try_bind(&b);
        if (why)
            return fail(&b, why, err);
    }
    return 0;
}
