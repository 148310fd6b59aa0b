/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "job/forgotten.h"
#include "proc/fds.h"

/* Numbers that CRIU 4.2 does not ask for. Those of a level that a socket does not have are refused by the kernel. */
static const struct option {
    const char *name;
    int level, number;
} options[] = {
    {"SO_TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP},
    {"SO_TIMESTAMPNS", SOL_SOCKET, SO_TIMESTAMPNS},
    {"SO_RXQ_OVFL", SOL_SOCKET, SO_RXQ_OVFL},
    {"SO_PEEK_OFF", SOL_SOCKET, SO_PEEK_OFF},
    {"IP_RECVTTL", IPPROTO_IP, IP_RECVTTL},
    {"IP_RECVTOS", IPPROTO_IP, IP_RECVTOS},
    {"IP_RECVERR", IPPROTO_IP, IP_RECVERR},
    {"IP_MINTTL", IPPROTO_IP, IP_MINTTL},
    {"IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER},
    {"IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL},
    {"IP_MULTICAST_LOOP", IPPROTO_IP, IP_MULTICAST_LOOP},
    {"IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO},
    {"IPV6_RECVHOPLIMIT", IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
    {"IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS},
    {"IPV6_RECVERR", IPPROTO_IPV6, IPV6_RECVERR},
    {"IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS},
    {"IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS},
    {"IPV6_MULTICAST_HOPS", IPPROTO_IPV6, IPV6_MULTICAST_HOPS},
    {"IPV6_MULTICAST_LOOP", IPPROTO_IPV6, IPV6_MULTICAST_LOOP},
    {"IPV6_MTU_DISCOVER", IPPROTO_IPV6, IPV6_MTU_DISCOVER},
    {"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT},
    {"TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT},
    {"TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2},
    {"TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT},
    {"TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT},
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static int get(int fd, int level, int number, int *ret)
{
    socklen_t n = sizeof(*ret);
    *ret = 0; /* some are shorter than an int */
    return getsockopt(fd, level, number, ret, &n);
}

/* A new one of the same kind, in the same network: what it has needs not to be kept. -1 if there can be none. */
static int like(int fd)
{
    int domain, type, protocol;
    if (get(fd, SOL_SOCKET, SO_DOMAIN, &domain) < 0 || get(fd, SOL_SOCKET, SO_TYPE, &type) < 0 ||
        get(fd, SOL_SOCKET, SO_PROTOCOL, &protocol) < 0 ||
        (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX))
        return -1;
    return socket(domain, type | SOCK_CLOEXEC, protocol);
}

static json_t *options_of(int fd)
{
    json_t *all = json_object();
    autoclose int fresh = like(fd);
    for (size_t i = 0; fresh >= 0 && i < OPTIONS; i++) {
        const struct option *o = &options[i];
        int now, usual;
        if (get(fd, o->level, o->number, &now) == 0 && get(fresh, o->level, o->number, &usual) == 0 && now != usual)
            bv_json_set(all, o->name, json_integer(now));
    }
    return all;
}

int bv_forgotten_sockets_take(int procfd, pid_t root, json_t **ret, struct bv_error *err)
{
    autofdsockets struct bv_fd_sockets sockets = {0};
    size_t kept = 0;
    int left_out = 0;
    if (bv_fd_sockets_scan(procfd, root, &sockets, err) < 0)
        return -1;
    json_t *list = json_array();
    for (size_t i = 0; i < sockets.count; i++) {
        const struct bv_fd_socket *s = &sockets.socket[i];
        autoclose int fd = bv_fd_borrow(s->pid, s->fd);
        autojson json_t *set = fd < 0 ? NULL : options_of(fd);
        size_t n = json_object_size(set);
        if (kept + n > BV_FORGOTTEN_OPTIONS) {
            left_out++;
            continue;
        }
        kept += n;
        if (n)
            bv_json_append(list, json_pack("{s:i, s:i, s:O}", "pid", (int)s->pid, "fd", s->fd, "options", set));
    }
    *ret = list;
    return left_out;
}

static int set_options(int fd, const json_t *wanted)
{
    int lost = 0;
    for (size_t i = 0; i < OPTIONS; i++) {
        const json_t *value = json_object_get(wanted, options[i].name);
        int number = (int)json_integer_value(value);
        if (json_is_integer(value))
            lost += setsockopt(fd, options[i].level, options[i].number, &number, sizeof(number)) < 0;
    }
    return lost;
}

int bv_forgotten_sockets_restore(const json_t *sockets, struct bv_error *err)
{
    int lost = 0;
    for (size_t i = 0; i < json_array_size(sockets); i++) {
        const json_t *entry = json_array_get(sockets, i);
        uint64_t pid, number;
        json_t *wanted;
        if (bv_json_u64(entry, "pid", INT32_MAX, &pid, err) < 0 ||
            bv_json_u64(entry, "fd", INT32_MAX, &number, err) < 0 || bv_json_object(entry, "options", &wanted, err) < 0)
            return -1;
        autoclose int fd = bv_fd_borrow((pid_t)pid, (int)number);
        lost += fd < 0 ? 1 : set_options(fd, wanted);
    }
    return lost;
}
