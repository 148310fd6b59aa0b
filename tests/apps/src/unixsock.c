/* SPDX-License-Identifier: Apache-2.0 */
/* unixsock [ROUNDS]: a client and a server on a listening socket, a datagram pair and a stream pair. The client passes
 * the server a fresh pipe in every round (SCM_RIGHTS), two rounds ahead, so that descriptors are always in flight; it
 * gets the answer through that pipe. Now and then it connects anew. */

#include "app.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { AHEAD = 2, ROUNDS_PER_CONNECTION = 40 };

static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};

static void send_with_fd(int sock, uint32_t number, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&number, sizeof(number)};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    CHECK(sendmsg(sock, &m, 0) == sizeof(number));
}

/* Returns 0 at the end of the connection. */
static int receive_with_fd(int sock, uint32_t *ret_number, int *ret_fd)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {ret_number, sizeof(*ret_number)};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t n;

    do
        n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return 0;
    CHECK(n == sizeof(*ret_number));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    CHECK(c && c->cmsg_type == SCM_RIGHTS);
    memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
    return 1;
}

static void serve(int listener, int datagrams, unsigned rounds)
{
    unsigned served = 0;

    while (served < rounds) {
        int sock, fd;
        uint32_t number, answer;

        do
            sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        while (sock < 0 && errno == EINTR);
        CHECK(sock >= 0);
        while (receive_with_fd(sock, &number, &fd)) {
            pause_ms(5);
            answer = mix(number);
            write_all(fd, &answer, sizeof(answer));
            close(fd);
            CHECK(send(datagrams, &number, sizeof(number), 0) == sizeof(number));
            served++;
        }
        close(sock);
    }
}

static int connect_anew(void)
{
    int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    CHECK(sock >= 0);
    CHECK(connect(sock, (const struct sockaddr *)&address, sizeof(address)) == 0);
    return sock;
}

static int ask(int sock, uint32_t number)
{
    int ends[2];

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    send_with_fd(sock, number, ends[1]);
    close(ends[1]);
    return ends[0];
}

/* The questions of one connection. Returns the sum of the answers. */
static uint32_t converse(unsigned first, unsigned count, int datagrams)
{
    int sock = connect_anew(), answers[AHEAD];
    uint32_t sum = 0;

    for (unsigned i = 0; i < count + AHEAD; i++) {
        if (i >= AHEAD) {
            uint32_t answer, number;
            int *fd = &answers[i % AHEAD];

            read_all(*fd, &answer, sizeof(answer));
            close(*fd);
            CHECK(answer == mix(first + i - AHEAD));
            CHECK(recv(datagrams, &number, sizeof(number), 0) == sizeof(number));
            CHECK(number == first + i - AHEAD);
            sum += answer;
        }
        if (i < count)
            answers[i % AHEAD] = ask(sock, first + i);
    }
    close(sock);
    return sum;
}

int main(int argc, char **argv)
{
    unsigned rounds = argument(argc, argv, 1, 800);
    int datagrams[2], streams[2], status;
    char greeting[6] = "";

    CHECK(rounds % ROUNDS_PER_CONNECTION == 0);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, datagrams) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, streams) == 0);
    write_all(streams[0], "hello", 5); /* read only at the end: it stays in the socket's queue */
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    CHECK(listener >= 0);
    CHECK(bind(listener, (const struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 4) == 0);

    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(datagrams[0]);
        serve(listener, datagrams[1], rounds);
        _exit(3);
    }
    close(datagrams[1]);
    for (unsigned first = 0; first < rounds; first += ROUNDS_PER_CONNECTION) {
        printf("answers from %u: %08x\n", first, converse(first, ROUNDS_PER_CONNECTION, datagrams[0]));
        fflush(stdout);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
    read_all(streams[1], greeting, 5);
    CHECK(strcmp(greeting, "hello") == 0);
    CHECK(unlink(address.sun_path) == 0);
    return 0;
}
