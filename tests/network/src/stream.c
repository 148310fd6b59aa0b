/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of a connection that must lose nothing, repeat nothing, and never break.
 *
 *   stream serve ADDRESS PORT LOG
 *       sends "push 1", "push 2", ... all the time, whether somebody reads it or not, and answers "say N" by "echo N",
 *       for any number of clients
 *   stream hold ADDRESS PORT LINES [queue]
 *       a client that says, and wants echoes and pushes without a gap, until it has got as many of each; ends with
 *       "ok", or says what is wrong and ends with 1. With "queue" it also has a message queue, which no engine can dump
 *   stream leave ADDRESS PORT LINES
 *       sends as much as there is room for, closes, prints so many lines, and waits */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 5
#define CLIENTS 64

struct end {
    int fd;
    long pushed, echoed;
    size_t used;
    char line[1 << 16];
};

static void out(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0)
        exit(3);
}

static void fail(const char *what)
{
    char text[256];
    snprintf(text, sizeof(text), "broken: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    out(1, text);
    exit(1);
}

/* Fills it with either family. */
static socklen_t parse(const char *address, const char *port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)atoi(port));
        return sizeof(*v4);
    }
    if (inet_pton(AF_INET6, address, &v6->sin6_addr) != 1)
        fail("no address");
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)atoi(port));
    return sizeof(*v6);
}

/* What has come, appended. 0 = nothing now. */
static int take(struct end *e)
{
    ssize_t n = recv(e->fd, e->line + e->used, sizeof(e->line) - 1 - e->used, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -1;
    e->used += (size_t)n;
    return 1;
}

/* The next whole line, cut out of it. 0 = there is none. */
static int next_line(struct end *e, char *ret, size_t size)
{
    char *end = memchr(e->line, '\n', e->used);
    if (!end)
        return 0;
    size_t n = (size_t)(end - e->line);
    snprintf(ret, size, "%.*s", (int)n, e->line);
    e->used -= n + 1;
    memmove(e->line, end + 1, e->used);
    return 1;
}

/* --- server -------------------------------------------------------------------------------- */

static void drop(struct end *e, int log, int reset)
{
    out(log, reset ? "reset\n" : "ended\n");
    close(e->fd);
    e->fd = -1;
}

/* What does not fit into the buffers of a client that is away waits for it. */
static int say(struct end *e, const char *text)
{
    ssize_t n = send(e->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN)
        return 0;
    return n == (ssize_t)strlen(text) ? 1 : -1;
}

static void serve_one(struct end *e, int log, int tick)
{
    char line[128], text[160];
    errno = 0;
    if (take(e) < 0) {
        drop(e, log, errno == ECONNRESET);
        return;
    }
    while (next_line(e, line, sizeof(line)))
        if (strncmp(line, "say ", 4) == 0) {
            snprintf(text, sizeof(text), "echo %.100s\n", line + 4);
            while (say(e, text) == 0)
                usleep(1000);
        }
    if (!tick)
        return;
    snprintf(text, sizeof(text), "push %ld\n", e->pushed + 1);
    if (say(e, text) > 0)
        e->pushed++;
}

static _Noreturn void serve(const char *address, const char *port, const char *log_path)
{
    static struct end end[CLIENTS];
    struct sockaddr_storage a;
    socklen_t n = parse(address, port, &a);
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644), on = 1;
    int listener = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&a, n) < 0 || listen(listener, 8) < 0)
        fail("cannot listen");
    for (int i = 0; i < CLIENTS; i++)
        end[i].fd = -1;
    out(log, "listening\n");
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        for (int i = 0; fd >= 0 && i < CLIENTS; i++)
            if (end[i].fd < 0) {
                memset(&end[i], 0, sizeof(end[i]));
                end[i].fd = fd;
                fd = -1;
                out(log, "connected\n");
            }
        for (int i = 0; i < CLIENTS; i++)
            if (end[i].fd >= 0)
                serve_one(&end[i], log, 1);
        usleep(TICK_MS * 1000);
    }
}

/* --- client -------------------------------------------------------------------------------- */

static void hear(struct end *e, const char *line)
{
    char expected[64];
    int is_push = strncmp(line, "push ", 5) == 0;
    snprintf(expected, sizeof(expected), "%s %ld", is_push ? "push" : "echo", (is_push ? e->pushed : e->echoed) + 1);
    errno = 0;
    if (strcmp(line, expected) != 0) {
        char text[256];
        snprintf(text, sizeof(text), "got \"%.64s\" in the place of \"%s\"", line, expected);
        fail(text);
    }
    if (is_push)
        e->pushed++;
    else
        e->echoed++;
}

static int hold(const char *address, const char *port, long lines)
{
    static struct end e;
    struct sockaddr_storage a;
    socklen_t n = parse(address, port, &a);
    long said = 0, told = 0;
    e.fd = socket(a.ss_family, SOCK_STREAM, 0);
    if (connect(e.fd, (struct sockaddr *)&a, n) < 0)
        fail("cannot connect");
    while (e.pushed < lines || e.echoed < lines) {
        char text[128];
        struct pollfd p = {.fd = e.fd, .events = POLLIN};
        snprintf(text, sizeof(text), "say %ld\n", said + 1);
        if (said < e.echoed + 32 && send(e.fd, text, strlen(text), MSG_NOSIGNAL) < 0)
            fail("cannot send");
        said += said < e.echoed + 32;
        poll(&p, 1, TICK_MS);
        errno = 0;
        if (take(&e) < 0)
            fail("the connection ended");
        while (next_line(&e, text, sizeof(text)))
            hear(&e, text);
        for (; told + 10 <= e.pushed && told + 10 <= e.echoed; told += 10) {
            snprintf(text, sizeof(text), "%ld\n", told + 10);
            out(1, text);
        }
        usleep(1000);
    }
    out(1, "ok\n");
    return 0;
}

static void leave(const char *address, const char *port, long lines)
{
    static const char bytes[4096];
    struct sockaddr_storage a;
    socklen_t n = parse(address, port, &a);
    int fd = socket(a.ss_family, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&a, n) < 0)
        fail("cannot connect");
    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    close(fd);
    for (long i = 0; i < lines; i++)
        out(1, "closed\n");
    pause();
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], argv[3], argv[4]);
    if (argc == 5 && strcmp(argv[1], "leave") == 0)
        leave(argv[2], argv[3], atol(argv[4]));
    if (argc == 6 && strcmp(argv[1], "hold") == 0 && mq_open("/stream", O_CREAT | O_RDWR, 0600, NULL) < 0)
        fail("cannot create a message queue");
    if ((argc == 5 || argc == 6) && strcmp(argv[1], "hold") == 0)
        return hold(argv[2], argv[3], atol(argv[4]));
    return 2;
}
