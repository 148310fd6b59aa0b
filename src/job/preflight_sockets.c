/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "job/preflight_rules.h"
#include "proc/socket.h"

#define BLOCKS  .weight = BV_FINDING_BLOCKS
#define WEAKENS .weight = BV_FINDING_WEAKENS
#define NOTE    .weight = BV_FINDING_NOTE

static const struct pf_rule unix_outside = {
    .topic = "unix-outside",
    BLOCKS,
    .remedy = "Let the program close the connection before the checkpoint, or run the other side inside the job.",
};
static const struct pf_rule unix_backlog = {
    .topic = "unix-backlog",
    BLOCKS,
    .remedy = "Try again when the program has accepted the connection.",
};
/* By what --tcp says. */
static const struct pf_rule tcp_outside[] = {
    [BV_TCP_REFUSE] = {.topic = "tcp-outside",
                       BLOCKS,
                       .remedy =
                           "Start the job with --tcp close, which closes it at a restart, or let the program close "
                           "the connection before the checkpoint and connect again later."},
    [BV_TCP_CLOSE] = {.topic = "tcp-outside",
                      WEAKENS,
                      .remedy = "Nothing, if the program connects again when it finds the connection closed after a "
                                "restart."},
    [BV_TCP_KEEP] = {.topic = "tcp-outside",
                     NOTE,
                     .remedy =
                         "Nothing: it is kept by a checkpoint that ends the attempt, and else closed at a restart."},
};
static const struct pf_rule tcp_inside = {
    .topic = "tcp-inside",
    BLOCKS,
    .remedy = "Start the job with --network=private, which keeps connections between its own processes (and with "
              "outside=auto, if it has to reach other hosts).",
};
static const struct pf_rule tcp_backlog = {
    .topic = "tcp-backlog",
    BLOCKS,
    .remedy = "Try again when the program has accepted the connection.",
};
static const struct pf_rule tcp_listen = {
    .topic = "tcp-listen",
    NOTE,
    .remedy = "See that the port is free where the job restarts, or start it with --network=private.",
};
static const struct pf_rule udp_queue = {
    .topic = "udp-queue",
    WEAKENS,
    .remedy = "Nothing, if the program repeats lost messages, as users of UDP must.",
};
static const struct pf_rule raw_socket = {
    .topic = "raw-socket",
    BLOCKS,
    .remedy = "Let the program close it before the checkpoint.",
};
static const struct pf_rule mptcp = {
    .topic = "mptcp",
    BLOCKS,
    .remedy = "Use plain TCP (Go programs: GODEBUG=multipathtcp=0).",
};
static const struct pf_rule other_family = {
    .topic = "socket-family",
    BLOCKS,
    .remedy = "Let the program close it before the checkpoint, or use TCP, UDP or unix sockets.",
};

static void add(struct pf_tree *tree, const struct pf_rule *rule, const struct pf_socket *s, char *text)
{
    pf_add(tree, rule, s->pid, s->comm, text);
}

static void check_protocol(struct pf_tree *tree, const struct pf_socket *s)
{
    static const char *const kept[] = {"TCP",       "TCPv6", "UDP",         "UDPv6",  "UDP-Lite",
                                       "UDPLITEv6", "UNIX",  "UNIX-STREAM", "NETLINK"};
    static const char *const raw[] = {"RAW", "RAWv6", "PACKET"}; /* need a capability of the network's owner */
    char name[BV_PROTOCOL_NAME];
    if (bv_socket_protocol(tree->p->procfd, s->pid, s->fd, name) < 0)
        return; /* vanished */
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (strcmp(name, kept[i]) == 0)
            return;

    const struct pf_rule *rule = strncmp(name, "MPTCP", 5) == 0 ? &mptcp : &other_family;
    for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++)
        if (strcmp(name, raw[i]) == 0)
            rule = tree->p->private_network ? NULL : &raw_socket;
    if (rule)
        add(tree, rule, s, bv_asprintf("descriptor %d is a socket of the protocol %s", s->fd, name));
}

/* What `bivouac run` puts between the job and the standard files of the scheduler takes their place. */
static int is_relayed(const struct pf_tree *tree, uint64_t inode)
{
    if (tree->p->in_capsule)
        return 0;
    for (size_t i = 0; i < 3; i++)
        if (tree->stdio[i] == inode)
            return 1;
    return 0;
}

static void check_unix(struct pf_tree *tree, const struct bv_unix_sockets *all)
{
    for (size_t i = 0; i < tree->socket_count; i++) {
        const struct pf_socket *s = &tree->socket[i];
        const struct bv_unix_socket *u = bv_unix_find(all, s->inode);
        if (!u || u->peer == 0 || pf_socket_find(tree, u->peer) || is_relayed(tree, s->inode))
            continue;
        const struct bv_unix_socket *peer = bv_unix_find(all, u->peer);
        const char *name = peer && peer->name ? peer->name : u->name;
        add(tree, &unix_outside, s,
            bv_asprintf("descriptor %d is a unix socket connected to a process outside of the job%s%s", s->fd,
                        name ? ", at " : "", name ? name : ""));
    }
}

/* Connections that are not accepted yet have no other end to be looked at. */
static void check_unix_waiting(struct pf_tree *tree, const struct bv_unix_sockets *all)
{
    for (size_t i = 0; i < all->waiting_count; i++) {
        const struct bv_unix_waiting *w = &all->waiting[i];
        const struct pf_socket *client = pf_socket_find(tree, w->client), *here = pf_socket_find(tree, w->listener);
        const struct bv_unix_socket *u = bv_unix_find(all, w->client);
        if (client && here && u && u->unread)
            add(tree, &unix_backlog, client,
                bv_asprintf("descriptor %d is a unix socket with data for a connection that waits to be accepted",
                            client->fd));
        else if (client && !here && !is_relayed(tree, w->client))
            add(tree, &unix_outside, client,
                bv_asprintf("descriptor %d is a unix socket that waits for a process outside of the job", client->fd));
        else if (here && !client)
            add(tree, &unix_outside, here,
                bv_asprintf("a process outside of the job waits at descriptor %d, a unix socket, to be accepted",
                            here->fd));
    }
}

struct inet_tables {
    struct bv_inet_sockets tcp[2], udp[2]; /* IPv4, IPv6 */
};

static void free_tables(struct inet_tables *t)
{
    for (size_t i = 0; i < 2; i++) {
        bv_inet_free(&t->tcp[i]);
        bv_inet_free(&t->udp[i]);
    }
}

/* Does a process of the tree listen at this port? */
static int listens(const struct pf_tree *tree, const struct inet_tables *t, unsigned port)
{
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < t->tcp[k].count; i++) {
            const struct bv_inet_socket *s = &t->tcp[k].socket[i];
            if (s->state == BV_INET_LISTEN && s->local_port == port && pf_socket_find(tree, s->inode))
                return 1;
        }
    return 0;
}

/* Is the other end of the connection a socket of the tree? One without inode waits to be accepted. */
static int ends_inside(const struct pf_tree *tree, const struct inet_tables *t, const struct bv_inet_socket *s)
{
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < t->tcp[k].count; i++) {
            const struct bv_inet_socket *other = &t->tcp[k].socket[i];
            if (bv_inet_are_ends(s, other))
                return other->inode ? pf_socket_find(tree, other->inode) != NULL : listens(tree, t, other->local_port);
        }
    return 0;
}

static void check_tcp(struct pf_tree *tree, const struct inet_tables *t, const struct bv_inet_socket *s)
{
    const struct pf_socket *ours = s->inode ? pf_socket_find(tree, s->inode) : NULL;
    int private = tree->p->private_network;
    if (!ours || s->state == BV_INET_CLOSED || is_relayed(tree, s->inode))
        return;
    if (s->state == BV_INET_LISTEN) {
        if (s->rx_queue > 0)
            add(tree, &tcp_backlog, ours,
                bv_asprintf("a connection to its port %u waits to be accepted", s->local_port));
        if (!private)
            add(tree, &tcp_listen, ours, bv_asprintf("it listens on TCP port %u of the host", s->local_port));
        return;
    }
    int inside = ends_inside(tree, t, s);
    if (inside && !private)
        add(tree, &tcp_inside, ours,
            bv_asprintf("a TCP connection (port %u to %u) is open between processes of the job", s->local_port,
                        s->remote_port));
    else if (!inside && !(private && bv_inet_is_loopback(s)))
        add(tree, &tcp_outside[tree->p->tcp], ours,
            bv_asprintf("descriptor %d is a TCP connection to port %u outside of the job", ours->fd, s->remote_port));
}

static void check_udp(struct pf_tree *tree, const struct bv_inet_socket *s)
{
    const struct pf_socket *ours = s->inode ? pf_socket_find(tree, s->inode) : NULL;
    if (ours && s->rx_queue > 0)
        add(tree, &udp_queue, ours, bv_asprintf("messages that wait at its UDP port %u would be lost", s->local_port));
}

static int read_tables(const struct pf_tree *tree, struct inet_tables *t, struct bv_error *err)
{
    int procfd = tree->p->procfd;
    pid_t root = tree->p->root;
    return bv_inet_scan(procfd, root, "tcp", &t->tcp[0], err) < 0 ||
                   bv_inet_scan(procfd, root, "tcp6", &t->tcp[1], err) < 0 ||
                   bv_inet_scan(procfd, root, "udp", &t->udp[0], err) < 0 ||
                   bv_inet_scan(procfd, root, "udp6", &t->udp[1], err) < 0
               ? -1
               : 0;
}

int pf_check_sockets(struct pf_tree *tree, struct bv_error *err)
{
    if (tree->socket_count == 0)
        return 0;
    for (size_t i = 0; i < tree->socket_count; i++)
        check_protocol(tree, &tree->socket[i]);

    /* Who may not enter the network of the job cannot judge its unix sockets; the engine then does. */
    struct bv_error why = {0};
    autounix struct bv_unix_sockets all = {0};
    if (bv_unix_scan(tree->p->procfd, tree->p->root, &all, &why) == 0) {
        check_unix(tree, &all);
        check_unix_waiting(tree, &all);
    } else if (why.code != BV_EDENIED)
        return bv_fail(err, why.code, 0, "%s", why.text);

    __attribute__((cleanup(free_tables))) struct inet_tables t = {0};
    if (read_tables(tree, &t, err) < 0)
        return -1;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < t.tcp[k].count; i++)
            check_tcp(tree, &t, &t.tcp[k].socket[i]);
        for (size_t i = 0; i < t.udp[k].count; i++)
            check_udp(tree, &t.udp[k].socket[i]);
    }
    return 0;
}
