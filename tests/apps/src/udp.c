/* SPDX-License-Identifier: Apache-2.0 */
/* udp [ROUNDS]: questions and answers in datagrams between two processes of the job: over IPv4, IPv6 and a unix socket.
 * What is lost is sent again, as users of datagrams must; what comes twice is passed over. */

#include "app.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { WAYS = 3, PATIENCE_MS = 100 };

struct way {
    const char *name;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } server;
    socklen_t size;
    int asks, answers; /* sockets */
};

static void set_up(struct way way[WAYS])
{
    way[0] = (struct way){.name = "udp",
                          .server.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                          .size = sizeof(struct sockaddr_in)};
    way[1] = (struct way){.name = "udp6",
                          .server.in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT},
                          .size = sizeof(struct sockaddr_in6)};
    way[2] = (struct way){
        .name = "unix", .server.un = {.sun_family = AF_UNIX, .sun_path = "server"}, .size = sizeof(struct sockaddr_un)};
    for (struct way *w = way; w < way + WAYS; w++) {
        struct sockaddr_un own = {.sun_family = AF_UNIX, .sun_path = "client"};
        w->answers = socket(w->server.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        w->asks = socket(w->server.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK(w->answers >= 0 && w->asks >= 0);
        CHECK(bind(w->answers, &w->server.any, w->size) == 0);
        CHECK(getsockname(w->answers, &w->server.any, &w->size) == 0);
        CHECK(w->server.any.sa_family != AF_UNIX || bind(w->asks, (struct sockaddr *)&own, sizeof(own)) == 0);
        CHECK(connect(w->asks, &w->server.any, w->size) == 0);
    }
}

static void serve(struct way way[WAYS])
{
    for (;;) {
        struct pollfd p[WAYS];
        for (int i = 0; i < WAYS; i++)
            p[i] = (struct pollfd){.fd = way[i].answers, .events = POLLIN};
        CHECK(poll(p, WAYS, -1) > 0 || errno == EINTR);
        for (int i = 0; i < WAYS; i++) {
            struct sockaddr_storage from;
            socklen_t size = sizeof(from);
            uint32_t question[2];
            if (recvfrom(way[i].answers, question, sizeof(question), MSG_DONTWAIT, (struct sockaddr *)&from, &size) !=
                sizeof(question))
                continue;
            question[1] = mix(question[0]);
            if (sendto(way[i].answers, question, sizeof(question), 0, (struct sockaddr *)&from, size) < 0)
                CHECK(errno == EAGAIN || errno == ECONNREFUSED);
        }
    }
}

static uint32_t ask(const struct way *w, uint32_t number)
{
    for (;;) {
        struct pollfd p = {.fd = w->asks, .events = POLLIN};
        uint32_t answer[2], question[2] = {number, 0};
        CHECK(send(w->asks, question, sizeof(question), 0) == sizeof(question) || errno == EAGAIN);
        while (poll(&p, 1, PATIENCE_MS) > 0)
            /* What poll has seen may be lost by now. */
            if (recv(w->asks, answer, sizeof(answer), MSG_DONTWAIT) == sizeof(answer) && answer[0] == number)
                return answer[1];
    }
}

int main(int argc, char **argv)
{
    unsigned rounds = argument(argc, argv, 1, 60);
    struct way way[WAYS];
    setvbuf(stdout, NULL, _IOLBF, 0);
    set_up(way);
    pid_t server = fork();
    CHECK(server >= 0);
    if (server == 0)
        serve(way);
    for (unsigned round = 0; round < rounds; round++) {
        for (int i = 0; i < WAYS; i++)
            CHECK(ask(&way[i], round * WAYS + (unsigned)i) == mix(round * WAYS + (unsigned)i));
        if (round % 10 == 9)
            printf("%u rounds by %s, %s and %s\n", round + 1, way[0].name, way[1].name, way[2].name);
        pause_ms(15);
    }
    CHECK(kill(server, SIGTERM) == 0 && waitpid(server, NULL, 0) == server);
    CHECK(unlink("server") == 0 && unlink("client") == 0);
    return 0;
}
