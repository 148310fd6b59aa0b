/* SPDX-License-Identifier: Apache-2.0 */
/* tcp [ROUNDS]: one server with epoll and three clients over loopback, all in the job. Each client sends blocks ahead
 * of the answers it reads, so that bytes are always under way, and checks every byte that comes back. */

#include "app.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { PORT = 27411, CLIENTS = 3, BLOCK = 3000, AHEAD = 3 };

static struct sockaddr_in server_address(void)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void fill(unsigned char block[BLOCK], uint32_t seed)
{
    for (unsigned i = 0; i < BLOCK; i++)
        block[i] = (unsigned char)mix(seed + i);
}

static int start_listening(void)
{
    struct sockaddr_in address = server_address();
    int one = 1, sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(sock >= 0);
    CHECK(setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
    CHECK(bind(sock, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(sock, CLIENTS) == 0);
    return sock;
}

/* Sends back what it gets, every byte turned over, until all clients have gone. */
static void serve(int listener)
{
    int poller = epoll_create1(EPOLL_CLOEXEC), gone = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    unsigned char buf[4096];

    CHECK(poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) == 0);
    while (gone < CLIENTS) {
        int n = epoll_wait(poller, &event, 1, -1), fd = event.data.fd;

        CHECK(n == 1 || (n < 0 && errno == EINTR));
        if (n < 0)
            continue;
        if (fd == listener) {
            event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            CHECK(event.data.fd >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event) == 0);
            continue;
        }
        ssize_t size = read(fd, buf, sizeof(buf));
        CHECK(size >= 0);
        if (size == 0) {
            close(fd);
            gone++;
        }
        for (ssize_t i = 0; i < size; i++)
            buf[i] ^= 0xff;
        write_all(fd, buf, (size_t)size);
    }
}

static void talk(unsigned id, unsigned rounds)
{
    struct sockaddr_in address = server_address();
    unsigned char block[BLOCK], answer[BLOCK];
    int one = 1, sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(sock >= 0 && connect(sock, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
    for (unsigned round = 0; round < rounds + AHEAD; round++) {
        if (round < rounds) {
            fill(block, mix(id) + round);
            write_all(sock, block, BLOCK);
        }
        pause_ms(6 + id);
        if (round < AHEAD)
            continue;
        read_all(sock, answer, BLOCK);
        fill(block, mix(id) + round - AHEAD);
        for (unsigned i = 0; i < BLOCK; i++)
            CHECK(answer[i] == (block[i] ^ 0xff));
    }
    close(sock);
}

int main(int argc, char **argv)
{
    unsigned rounds = argument(argc, argv, 1, 600);
    int listener = start_listening(), status;
    pid_t pid[CLIENTS + 1];

    for (unsigned i = 0; i <= CLIENTS; i++) {
        pid[i] = fork();
        CHECK(pid[i] >= 0);
        if (pid[i] == 0) {
            if (i == CLIENTS)
                serve(listener);
            else
                talk(i, rounds);
            _exit(0);
        }
    }
    close(listener);
    for (unsigned i = 0; i <= CLIENTS; i++) {
        CHECK(waitpid(pid[i], &status, 0) == pid[i] && status == 0);
        printf("%s %u is done\n", i == CLIENTS ? "server" : "client", i);
        fflush(stdout);
    }
    return 0;
}
