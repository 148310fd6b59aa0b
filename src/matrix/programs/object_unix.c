/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets. */
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "matrix/programs/object.h"

/* A name that begins with '@' is abstract. */
static socklen_t address(struct sockaddr_un *a, const char *name)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t n = strlen(name);
    memcpy(a->sun_path, name, n);
    if (name[0] == '@')
        a->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] != '@'));
}

static int make(int type, const char *bound)
{
    struct sockaddr_un a;
    int fd = have(socket(AF_UNIX, type | SOCK_CLOEXEC, 0), "make a unix socket");
    if (bound)
        have(bind(fd, (struct sockaddr *)&a, address(&a, bound)), "bind a unix socket");
    return fd;
}

static int join(int fd, const char *name)
{
    struct sockaddr_un a;
    return connect(fd, (struct sockaddr *)&a, address(&a, name));
}

static void pair_of(int type)
{
    char text[16];
    int s[2];
    have(socketpair(AF_UNIX, type, 0, s), "make a pair of sockets");
    have(send(s[0], "one", 3, 0) == 3 && send(s[0], "three", 5, 0) == 5 ? 0 : -1, "send");
    hold();
    ssize_t wanted = type == SOCK_STREAM ? 8 : 3;
    row_check(is_readable(s[1]) && recv(s[1], text, sizeof(text), 0) == wanted, "what was on its way is not as it was");
    if (type != SOCK_STREAM)
        row_check(is_readable(s[1]) && recv(s[1], text, sizeof(text), 0) == 5, "a message on its way is gone");
    row_check(send(s[1], "back", 4, 0) == 4 && recv(s[0], text, sizeof(text), 0) == 4, "the sockets are not connected");
}

static void stream_pair(void)
{
    pair_of(SOCK_STREAM);
}

static void message_pair(void)
{
    pair_of(SOCK_SEQPACKET);
}

static void datagram_pair(void)
{
    pair_of(SOCK_DGRAM);
}

static void listen_at(const char *name)
{
    char text[16];
    int fd = make(SOCK_STREAM, name);
    have(listen(fd, 4), "listen");
    hold();
    int there = make(SOCK_STREAM, NULL);
    row_check(join(there, name) == 0 && is_readable(fd), "nobody listens any more");
    int here = accept(fd, NULL, NULL);
    row_check(here >= 0 && send(there, "x", 1, 0) == 1 && recv(here, text, 1, 0) == 1,
              "a new connection does not work");
}

static void listening(void)
{
    listen_at("socket");
}

static void abstract(void)
{
    char name[40];
    snprintf(name, sizeof(name), "@bivouac-matrix-%ld", (long)getpid());
    listen_at(name);
}

static void backlog(void)
{
    char text[16];
    int fd = make(SOCK_STREAM, "socket"), there = make(SOCK_STREAM, NULL);
    have(listen(fd, 4), "listen");
    have(join(there, "socket"), "connect");
    have(send(there, "hello", 5, 0) == 5 ? 0 : -1, "send");
    hold();
    row_check(is_readable(fd), "the connection that waited to be accepted is gone");
    int here = accept(fd, NULL, NULL);
    row_check(here >= 0 && is_readable(here) && recv(here, text, sizeof(text), 0) == 5,
              "what was sent over it is gone");
}

static void send_descriptor(int socket, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = "";
    char byte = 'x';
    struct iovec v = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    have((int)sendmsg(socket, &m, 0), "send a descriptor");
}

static int receive_descriptor(int socket)
{
    char byte, control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
    struct iovec v = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    int fd = -1;
    if (is_readable(socket) && recvmsg(socket, &m, 0) == 1 && CMSG_FIRSTHDR(&m))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
    return fd;
}

static void descriptor_in_flight(void)
{
    char text[8] = "";
    int s[2], fd = have(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600), "create a file");
    have((int)write(fd, "content", 7), "write a file");
    have(socketpair(AF_UNIX, SOCK_STREAM, 0, s), "make a pair of sockets");
    send_descriptor(s[0], fd);
    close(fd);
    hold();
    fd = receive_descriptor(s[1]);
    row_check(fd >= 0, "the descriptor on its way is gone");
    row_check(pread(fd, text, 7, 0) == 7 && strcmp(text, "content") == 0, "the descriptor is another");
}

static void options(void)
{
    struct ucred who;
    socklen_t n = sizeof(who);
    int s[2], one = 1, value = 0;
    struct timeval t = {.tv_sec = 12};
    have(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), "make a pair of sockets");
    have(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), "set SO_PASSCRED");
    have(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), "set SO_RCVTIMEO");
    hold();
    row_check(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && who.pid == getpid(), "the peer is another");
    n = sizeof(value);
    row_check(getsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &value, &n) == 0 && value == 1, "SO_PASSCRED is gone");
    n = sizeof(t);
    row_check(getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, &n) == 0 && t.tv_sec == 12, "SO_RCVTIMEO is gone");
}

/* Runs beside the job, and gives back what it gets. */
static void outside(void)
{
    char text[64];
    struct sockaddr_un from;
    socklen_t n = sizeof(from);
    int stream = make(SOCK_STREAM, "outside-stream"), datagram = make(SOCK_DGRAM, "outside-datagram.new");
    row_must(listen(stream, 4) == 0 && rename("outside-datagram.new", "outside-datagram") == 0);
    for (;;) {
        struct pollfd p[] = {{.fd = stream, .events = POLLIN}, {.fd = datagram, .events = POLLIN}};
        row_must(poll(p, 2, -1) > 0);
        if (p[0].revents) {
            int fd = accept(stream, NULL, NULL);
            ssize_t got = recv(fd, text, sizeof(text), 0);
            if (got > 0)
                send(fd, text, (size_t)got, MSG_NOSIGNAL);
            close(fd);
        }
        if (p[1].revents) {
            ssize_t got = recvfrom(datagram, text, sizeof(text), 0, (struct sockaddr *)&from, &n);
            if (got > 0)
                sendto(datagram, text, (size_t)got, 0, (struct sockaddr *)&from, n);
        }
    }
}

static void echo_outside(int type, const char *bound, const char *at)
{
    row_wait_for("outside-datagram"); /* which is there last */
    int fd = make(type, bound);
    row_must(join(fd, at) == 0);
    hold();
    row_echo(fd, fd, "hello", "the socket of the process outside");
}

static void stream_outside(void)
{
    echo_outside(SOCK_STREAM, NULL, "outside-stream");
}

static void datagram_outside(void)
{
    echo_outside(SOCK_DGRAM, "inside", "outside-datagram");
}

const struct row_case object_unix_cases[] = {
    {"unix-stream", stream_pair},
    {"unix-seqpacket", message_pair},
    {"unix-datagram", datagram_pair},
    {"unix-listen", listening},
    {"unix-abstract", abstract},
    {"unix-backlog", backlog},
    {"unix-descriptor", descriptor_in_flight},
    {"unix-options", options},
    {"unix-stream-outside", stream_outside},
    {"unix-datagram-outside", datagram_outside},
    {"outside", outside},
    {NULL},
};
