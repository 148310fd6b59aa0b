/* SPDX-License-Identifier: Apache-2.0 */
/* stall [ROUNDS [ADDRESS]]: a client and a server, both in the job, which has ADDRESS (127.0.0.1). Each says what it
 * says in two small writes. The kernel holds the second back until the first is acknowledged, and does not acknowledge
 * at once: nearly always there are bytes that one side has written and that the other side has not got. */

#include "app.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { PORT = 27412, HEAD = 8, BODY = 32 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_of(const char *text, union address *a)
{
    *a = (union address){0};
    if (strchr(text, ':')) {
        a->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
        CHECK(inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1);
        return sizeof(a->v6);
    }
    a->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT)};
    CHECK(inet_pton(AF_INET, text, &a->v4.sin_addr) == 1);
    return sizeof(a->v4);
}

static void say(int sock, uint32_t seed)
{
    unsigned char text[HEAD + BODY];

    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (unsigned char)mix(seed + i);
    write_all(sock, text, HEAD);
    write_all(sock, text + HEAD, BODY);
}

static void hear(int sock, uint32_t seed)
{
    unsigned char text[HEAD + BODY];

    read_all(sock, text, sizeof(text));
    for (unsigned i = 0; i < sizeof(text); i++)
        CHECK(text[i] == (unsigned char)mix(seed + i));
}

static void serve(int listener, unsigned rounds)
{
    int sock = accept(listener, NULL, NULL);

    CHECK(sock >= 0);
    for (unsigned round = 0; round < rounds; round++) {
        hear(sock, round);
        say(sock, ~round);
    }
    close(sock);
}

int main(int argc, char **argv)
{
    unsigned rounds = argument(argc, argv, 1, 60);
    int one = 1, status;
    union address a;
    socklen_t size = address_of(argc > 2 ? argv[2] : "127.0.0.1", &a);
    int listener = socket(a.any.sa_family, SOCK_STREAM, 0), sock = socket(a.any.sa_family, SOCK_STREAM, 0);

    CHECK(listener >= 0 && sock >= 0);
    CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
    CHECK(bind(listener, &a.any, size) == 0 && listen(listener, 1) == 0);
    pid_t server = fork();
    CHECK(server >= 0);
    if (server == 0) {
        close(sock);
        serve(listener, rounds);
        _exit(0);
    }
    close(listener);
    CHECK(connect(sock, &a.any, size) == 0);
    for (unsigned round = 0; round < rounds; round++) {
        say(sock, round);
        hear(sock, ~round);
        pause_ms(10);
        if (round % 10 == 0) {
            printf("round %u\n", round);
            fflush(stdout);
        }
    }
    CHECK(waitpid(server, &status, 0) == server && status == 0);
    return 0;
}
