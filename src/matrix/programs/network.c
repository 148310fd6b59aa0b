/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: of the job alone, and to a server that runs beside it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matrix/programs/row.h"

/* On 127.0.0.1, at a port that the kernel chooses. */
static int bound(int type, struct sockaddr_in *ret)
{
    socklen_t size = sizeof(*ret);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    row_must(fd >= 0 && bind(fd, (struct sockaddr *)ret, sizeof(*ret)) == 0 &&
             getsockname(fd, (struct sockaddr *)ret, &size) == 0);
    return fd;
}

static int connected(const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    row_must(fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0);
    return fd;
}

/* Sends back what it reads, until there is no more. */
static void serve(int fd)
{
    char text[64];
    ssize_t n;
    while ((n = read(fd, text, sizeof(text))) > 0)
        if (write(fd, text, (size_t)n) != n)
            _exit(1);
}

static void tcp(void)
{
    struct sockaddr_in address;
    char got[8] = {0};
    int listener = bound(SOCK_STREAM, &address), status;
    row_must(listen(listener, 5) == 0);
    int client = connected(&address);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    row_must(accepted >= 0);
    pid_t child = fork();
    if (child == 0) {
        close(client);
        row_wait_for("go"); /* until then what is sent to it waits in the socket */
        serve(accepted);
        _exit(7);
    }
    close(accepted);
    row_must(child > 0 && write(client, "waiting", 7) == 7);
    row_ready();
    struct pollfd p = {.fd = client, .events = POLLIN};
    row_check(poll(&p, 1, 10000) == 1 && read(client, got, 7) == 7 && strcmp(got, "waiting") == 0,
              "what was under way is lost");
    row_echo(client, client, "again", "the connection");
    int second = connected(&address);
    row_check(accept4(listener, NULL, NULL, SOCK_CLOEXEC) >= 0, "nobody can connect any more: errno %d", errno);
    close(second);
    close(client);
    row_check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7,
              "the other end has ended with %x", status);
}

static void udp(void)
{
    struct sockaddr_in first, second;
    int one = bound(SOCK_DGRAM, &first), two = bound(SOCK_DGRAM, &second), status;
    row_must(connect(one, (struct sockaddr *)&second, sizeof(second)) == 0);
    row_must(connect(two, (struct sockaddr *)&first, sizeof(first)) == 0);
    pid_t child = fork();
    if (child == 0) {
        char text[64];
        ssize_t n = recv(two, text, sizeof(text), 0);
        _exit(n <= 0 || send(two, text, (size_t)n, 0) != n);
    }
    row_must(child > 0);
    row_ready();
    row_echo(one, one, "a datagram", "the socket");
    row_check(waitpid(child, &status, 0) == child && status == 0, "the other end has ended with %x", status);
}

/* --- Unix sockets --- */

static void send_descriptor(int sock, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    row_must(sendmsg(sock, &m, 0) == 1);
}

static int receive_descriptor(int sock)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    int fd = -1;
    if (recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
        return -1;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

static void unix_sockets(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int pair[2], pipe_ends[2], listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    row_must(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
             listen(listener, 5) == 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    row_must(client >= 0 && connect(client, (struct sockaddr *)&address, sizeof(address)) == 0);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    row_must(accepted >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 &&
             pipe2(pipe_ends, O_CLOEXEC) == 0);
    send_descriptor(pair[0], pipe_ends[1]);
    close(pipe_ends[1]);
    row_ready();

    row_echo(client, accepted, "through", "the connection");
    int later = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    row_check(connect(later, (struct sockaddr *)&address, sizeof(address)) == 0,
              "nobody can connect any more: errno %d", errno);
    int got = receive_descriptor(pair[1]);
    row_check(got >= 0, "a descriptor that was under way is lost");
    row_echo(got, pipe_ends[0], "by the descriptor", "a descriptor that was under way");
}

/* --- with the outside --- */

static void listening(void)
{
    struct sockaddr_in address;
    int listener = bound(SOCK_STREAM, &address);
    row_must(listen(listener, 5) == 0);
    row_ready();
    int client = connected(&address), accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    row_check(accepted >= 0, "nobody can connect any more: errno %d", errno);
    row_echo(client, accepted, "through", "a new connection");
}

/* Runs beside the job: its port is in the file "port", which is complete when it is there. */
static void server(void)
{
    struct sockaddr_in address;
    int listener = bound(SOCK_STREAM, &address);
    row_must(listen(listener, 5) == 0);
    FILE *f = fopen("port.new", "we");
    row_must(f && fprintf(f, "%d", ntohs(address.sin_port)) > 0 && fclose(f) == 0 && rename("port.new", "port") == 0);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        row_must(fd >= 0);
        serve(fd);
        close(fd);
    }
}

static int to_the_server(void)
{
    char text[16] = "";
    row_wait_for("port");
    FILE *f = fopen("port", "re");
    row_must(f && fgets(text, sizeof(text), f));
    fclose(f);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)atoi(text))};
    return connected(&address);
}

static void client(void)
{
    int fd = to_the_server();
    row_echo(fd, fd, "before", "the connection");
    row_ready();
    row_echo(fd, fd, "after", "the connection");
}

/* With "on" it goes on as if there had been no checkpoint; a restart has closed it, and lets it connect again. */
static void closed(void)
{
    char byte;
    int fd = to_the_server(), went_on = 0;
    row_echo(fd, fd, "before", "the connection");
    row_say("ready");
    while (!row_exists("go")) {
        if (row_exists("on") && !went_on) {
            went_on = 1;
            row_echo(fd, fd, "on", "the connection behind a checkpoint");
            row_say("on");
        }
        row_nap();
    }
    struct pollfd p = {.fd = fd, .events = POLLIN};
    row_check(poll(&p, 1, 10000) == 1, "the connection hangs");
    row_check(read(fd, &byte, 1) <= 0, "the connection was not closed");
    close(fd);
    fd = to_the_server();
    row_echo(fd, fd, "after", "a new connection");
}

static const struct row_case cases[] = {
    {"tcp", tcp},       {"udp", udp},       {"unix", unix_sockets}, {"listen", listening},
    {"server", server}, {"client", client}, {"closed", closed},     {NULL},
};

int main(int argc, char **argv)
{
    return row_main(argc, argv, cases);
}
