/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* What the kernel says about sockets. The tables are those of the network namespace of a process; a socket is found in
 * them by its inode number, which bv_fd.st tells. An inode of 0 belongs to no descriptor (closed, or not accepted). */

/* Name of the protocol of the socket behind descriptor `fd` of `pid`: "TCP", "UDPv6", "UNIX-STREAM", "NETLINK" …, the
 * kernel's struct proto. Returns 0, or -1 with errno. */
#define BV_PROTOCOL_NAME 32
int bv_socket_protocol(int procfd, pid_t pid, int fd, char ret[BV_PROTOCOL_NAME]);

/* States of TCP sockets, and of UDP where only established (connected) and closed occur. */
enum {
    BV_INET_ESTABLISHED = 1,
    BV_INET_FIN_WAIT1 = 4,
    BV_INET_CLOSED = 7,
    BV_INET_LAST_ACK = 9,
    BV_INET_LISTEN = 10,
    BV_INET_CLOSING = 11,
};

struct bv_inet_socket {
    uint64_t inode;
    unsigned state;
    int v6;
    uint8_t local[16], remote[16]; /* network order; IPv4 in the first four bytes */
    unsigned local_port, remote_port;
    uint64_t tx_queue, rx_queue; /* bytes; rx_queue of a listening socket: connections not accepted yet */
};

struct bv_inet_sockets {
    struct bv_inet_socket *socket;
    size_t count;
};
void bv_inet_free(struct bv_inet_sockets *s);
#define autoinet __attribute__((cleanup(bv_inet_free)))

/* `table` is "tcp", "tcp6", "udp" or "udp6" of /proc/PID/net. A table the kernel lacks is empty.
 * Errors: BV_ENOTRUNNING, BV_EDENIED, BV_EINTERNAL. */
int bv_inet_scan(int procfd, pid_t pid, const char *table, struct bv_inet_sockets *ret, struct bv_error *err);

/* TCP connections of that network that nobody has a descriptor of any more, and whose last bytes, or end, the other
 * side has not confirmed. Those are in the kernel alone. 0 also if it cannot be told. */
size_t bv_inet_leaving(int procfd, pid_t pid);

/* The parser alone, for tests and fuzzing; appends to `ret`. Errors: BV_ECORRUPT. */
int bv_inet_parse(const char *text, int v6, struct bv_inet_sockets *ret, struct bv_error *err);

/* Are these the two ends of one connection? Of IPv4 either may be a socket of IPv6. */
int bv_inet_are_ends(const struct bv_inet_socket *a, const struct bv_inet_socket *b);

/* Is it connected to this very host? */
int bv_inet_is_loopback(const struct bv_inet_socket *s);

/* "192.0.2.7", "2001:db8::7". `address` is one of a socket of that family. */
#define BV_ADDRESS_TEXT 48
void bv_inet_text(const uint8_t address[16], int v6, char ret[BV_ADDRESS_TEXT]);

struct bv_unix_socket {
    uint64_t inode;
    uint64_t peer;   /* inode of what it is connected to, 0 if nothing */
    int type;        /* SOCK_STREAM … */
    uint32_t unread; /* bytes that it has sent and that nobody has read */
    char *name;      /* its address: a path, or "@…" if abstract; NULL if it has none. Not printable bytes are '?' */
};

/* A connection that the listening socket has not accepted yet; the other side is already connected. Inodes. */
struct bv_unix_waiting {
    uint64_t listener, client;
};

struct bv_unix_sockets {
    struct bv_unix_socket *socket; /* ascending by inode */
    size_t count;
    struct bv_unix_waiting *waiting;
    size_t waiting_count;
};
void bv_unix_free(struct bv_unix_sockets *s);
#define autounix __attribute__((cleanup(bv_unix_free)))

/* All unix sockets of the network namespace of `pid`, by sock_diag(7). If that is another one than ours, a child enters
 * it, which works for root and for the owner of the user namespace it belongs to.
 * Errors: BV_ENOTRUNNING, BV_EDENIED (not enterable), BV_EINTERNAL. */
int bv_unix_scan(int procfd, pid_t pid, struct bv_unix_sockets *ret, struct bv_error *err);

/* The one with this inode, or NULL. */
const struct bv_unix_socket *bv_unix_find(const struct bv_unix_sockets *s, uint64_t inode);
