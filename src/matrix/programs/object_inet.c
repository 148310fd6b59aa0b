/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of the network. */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "matrix/programs/object.h"

/* On the loopback device, at a free port. */
static int make(int type, struct sockaddr_in *at)
{
    socklen_t n = sizeof(*at);
    int fd = have(socket(AF_INET, type | SOCK_CLOEXEC, 0), "make a socket");
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    have(bind(fd, (struct sockaddr *)at, sizeof(*at)), "bind a socket");
    have(getsockname(fd, (struct sockaddr *)at, &n), "see the address of a socket");
    return fd;
}

static void udp_queued(void)
{
    char text[16];
    struct sockaddr_in a, b;
    int here = make(SOCK_DGRAM, &a), there = make(SOCK_DGRAM, &b);
    have((int)sendto(there, "hello", 5, 0, (struct sockaddr *)&a, sizeof(a)), "send");
    hold();
    row_check(recv(here, text, sizeof(text), MSG_DONTWAIT) == 5, "the queued message is gone");
}

static void tcp_backlog(void)
{
    struct sockaddr_in a, b;
    int here = make(SOCK_STREAM, &a), there = make(SOCK_STREAM, &b);
    have(listen(here, 4), "listen");
    have(connect(there, (struct sockaddr *)&a, sizeof(a)), "connect");
    hold();
    row_check(is_readable(here) && accept(here, NULL, NULL) >= 0, "the connection that waited to be accepted is gone");
}

static void tcp_pair(int ends[2])
{
    struct sockaddr_in a, b;
    int listener = make(SOCK_STREAM, &a);
    ends[0] = make(SOCK_STREAM, &b);
    have(listen(listener, 4), "listen");
    have(connect(ends[0], (struct sockaddr *)&a, sizeof(a)), "connect");
    ends[1] = have(accept(listener, NULL, NULL), "accept");
    close(listener);
}

static void tcp_in_flight(void)
{
    static unsigned char bytes[100000];
    int s[2];
    tcp_pair(s);
    fill(bytes, sizeof(bytes), 4);
    have(send(s[0], bytes, sizeof(bytes), 0) == sizeof(bytes) ? 0 : -1, "send");
    memset(bytes, 0, sizeof(bytes));
    hold();
    for (size_t got = 0; got < sizeof(bytes);) {
        ssize_t n = is_readable(s[1]) ? recv(s[1], bytes + got, sizeof(bytes) - got, 0) : -1;
        row_check(n > 0, "what was on its way is gone");
        got += (size_t)n;
    }
    row_check(is_filled(bytes, sizeof(bytes), 4), "what was on its way is not as it was");
}

/* One direction is closed. */
static void tcp_half_closed(void)
{
    char text[8];
    int s[2];
    tcp_pair(s);
    have((int)send(s[1], "hello", 5, 0), "send");
    have(shutdown(s[0], SHUT_WR), "close one direction");
    hold();
    row_check(is_readable(s[1]) && recv(s[1], text, sizeof(text), 0) == 0, "the end of the other direction is gone");
    row_check(is_readable(s[0]) && recv(s[0], text, sizeof(text), 0) == 5, "what was on its way is gone");
}

static const struct option {
    int level, name, value;
    const char *what;
} tcp_options[] =
    {
        {SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"},   {SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"},
        {SOL_SOCKET, SO_OOBINLINE, 1, "SO_OOBINLINE"},   {IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"},
        {IPPROTO_TCP, TCP_KEEPIDLE, 77, "TCP_KEEPIDLE"}, {IPPROTO_TCP, TCP_KEEPINTVL, 13, "TCP_KEEPINTVL"},
        {IPPROTO_TCP, TCP_KEEPCNT, 3, "TCP_KEEPCNT"},
},
  rare_options[] =
      {
          {SOL_SOCKET, SO_BROADCAST, 1, "SO_BROADCAST"},
          {IPPROTO_IP, IP_TTL, 33, "IP_TTL"},
          {IPPROTO_IP, IP_TOS, 8, "IP_TOS"},
          {IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO"},
          {IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND"},
          {IPPROTO_IP, IP_RECVTTL, 1, "IP_RECVTTL"},
          {IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, "IP_MTU_DISCOVER"},
},
  rare_tcp_options[] = {
      {IPPROTO_TCP, TCP_USER_TIMEOUT, 12345, "TCP_USER_TIMEOUT"},
      {IPPROTO_TCP, TCP_SYNCNT, 4, "TCP_SYNCNT"},
      {IPPROTO_TCP, TCP_LINGER2, 11, "TCP_LINGER2"},
      {IPPROTO_TCP, TCP_DEFER_ACCEPT, 1, "TCP_DEFER_ACCEPT"},
      {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4096, "TCP_NOTSENT_LOWAT"},
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void set_options(int fd, const struct option *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        have(setsockopt(fd, o[i].level, o[i].name, &o[i].value, sizeof(int)), o[i].what);
}

static void check_options(int fd, const struct option *o, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int value = -1;
        socklen_t size = sizeof(value);
        getsockopt(fd, o[i].level, o[i].name, &value, &size);
        row_check(value == o[i].value, "%s is %d instead of %d", o[i].what, value, o[i].value);
    }
}

/* Those that most programs know. */
static void common_options(void)
{
    struct sockaddr_in a;
    struct timeval t = {.tv_sec = 12};
    struct linger l = {.l_onoff = 1, .l_linger = 9};
    int fd = make(SOCK_STREAM, &a), size = 50000, before = 0, after = 0;
    socklen_t n = sizeof(before);
    set_options(fd, tcp_options, COUNT(tcp_options));
    have(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), "set SO_RCVBUF");
    have(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)), "set SO_SNDTIMEO");
    have(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), "set SO_LINGER");
    have(listen(fd, 4), "listen");
    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &before, &n);
    hold();
    check_options(fd, tcp_options, COUNT(tcp_options));
    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &after, &n);
    row_check(after == before, "SO_RCVBUF is %d instead of %d", after, before);
    n = sizeof(t);
    row_check(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, &n) == 0 && t.tv_sec == 12, "SO_SNDTIMEO is gone");
    n = sizeof(l);
    row_check(getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &n) == 0 && l.l_onoff && l.l_linger == 9, "SO_LINGER is gone");
}

static void seldom_options(void)
{
    struct sockaddr_in a;
    int fd = make(SOCK_DGRAM, &a);
    set_options(fd, rare_options, COUNT(rare_options));
    hold();
    check_options(fd, rare_options, COUNT(rare_options));
}

static void seldom_tcp_options(void)
{
    struct sockaddr_in a;
    int fd = make(SOCK_STREAM, &a);
    set_options(fd, rare_tcp_options, COUNT(rare_tcp_options));
    have(listen(fd, 4), "listen");
    hold();
    check_options(fd, rare_tcp_options, COUNT(rare_tcp_options));
}

static void netlink(void)
{
    struct {
        struct nlmsghdr head;
        struct rtgenmsg body;
    } ask = {{.nlmsg_len = sizeof(ask), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}, {0}};
    char answer[8192];
    int fd = have(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "make a netlink socket");
    struct sockaddr_nl a = {.nl_family = AF_NETLINK};
    have(bind(fd, (struct sockaddr *)&a, sizeof(a)), "bind a netlink socket");
    hold();
    row_check(send(fd, &ask, sizeof(ask), 0) == sizeof(ask) && is_readable(fd) &&
                  recv(fd, answer, sizeof(answer), 0) > 0,
              "the netlink socket gives no answer");
}

static void raw(void)
{
    int fd = have(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP), "make a raw socket");
    hold();
    int type = 0;
    socklen_t n = sizeof(type);
    row_check(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_RAW, "the raw socket is gone");
}

static void packet(void)
{
    int fd = have(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), "make a packet socket");
    hold();
    int type = 0;
    socklen_t n = sizeof(type);
    row_check(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_RAW, "the packet socket is gone");
}

const struct row_case object_inet_cases[] = {
    {"udp-queued", udp_queued},
    {"tcp-backlog", tcp_backlog},
    {"tcp-in-flight", tcp_in_flight},
    {"tcp-half-closed", tcp_half_closed},
    {"socket-options", common_options},
    {"udp-options", seldom_options},
    {"tcp-options", seldom_tcp_options},
    {"netlink", netlink},
    {"raw-socket", raw},
    {"packet-socket", packet},
    {NULL},
};
