/* SPDX-License-Identifier: Apache-2.0 */
/* remote ADDRESS PORT [asks|waits|fills] [alone]: a TCP connection to an echo server outside of the job, which is asked
 * all the time, or waited for, or gets more than it can take; and one within the job, unless alone. When the outer one
 * is lost, this is said, the inner one is looked at, and the outer one made anew. Ends with status 5 when there is a
 * file "go". */

#include "app.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

static int connect_to(const char *address, unsigned port)
{
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    int v6 = inet_pton(AF_INET6, address, &to6.sin6_addr) == 1;
    int sock = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(sock >= 0 && (v6 || inet_pton(AF_INET, address, &to4.sin_addr) == 1));
    if (connect(sock, v6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4, v6 ? sizeof(to6) : sizeof(to4)) < 0) {
        printf("cannot connect: %s\n", strerror(errno));
        exit(98);
    }
    return sock;
}

static void connect_inside(int pair[2])
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t size = sizeof(at);
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(listener, (struct sockaddr *)&at, size) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&at, &size) == 0);
    pair[0] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(pair[0], (struct sockaddr *)&at, size) == 0);
    pair[1] = accept(listener, NULL, NULL);
    CHECK(pair[1] >= 0);
    close(listener);
}

/* 0, or -1 with errno (0 = the end of the file). */
static int echo(int sock)
{
    char text[5] = "ping";
    errno = 0;
    if (send(sock, text, 4, MSG_NOSIGNAL) != 4)
        return -1;
    for (size_t got = 0; got < 4;) {
        ssize_t n = recv(sock, text + got, 4 - got, 0);
        if (n <= 0)
            return -1;
        got += (size_t)n;
    }
    CHECK(memcmp(text, "ping", 4) == 0);
    return 0;
}

static int ask(int sock)
{
    unsigned rounds = 0;
    while (access("go", F_OK) < 0) {
        if (echo(sock) < 0)
            return -1;
        if (++rounds % 20 == 0)
            printf("asked %u times\n", rounds);
        pause_ms(5);
    }
    return 0;
}

/* For what never comes. */
static int wait_for_it(int sock, int fills)
{
    static char much[1 << 16];
    struct pollfd end = {.fd = sock};
    unsigned idle = 0;
    /* Its echoes are not read. So there are bytes that cannot even be sent. */
    while (fills && idle < 20) {
        idle = send(sock, much, sizeof(much), MSG_NOSIGNAL | MSG_DONTWAIT) > 0 ? 0 : idle + 1;
        pause_ms(5);
    }
    puts("asked 20 times");
    while (fills && poll(&end, 1, -1) < 0)
        CHECK(errno == EINTR); /* by a restart */
    errno = 0;
    while (recv(sock, much, sizeof(much), 0) > 0)
        CHECK(fills);
    return -1;
}

int main(int argc, char **argv)
{
    int fills = argc > 3 && strcmp(argv[3], "fills") == 0, is_alone = argc > 4;
    int waits = fills || (argc > 3 && strcmp(argv[3], "waits") == 0);
    int pair[2] = {-1, -1};
    CHECK(argc > 2);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!is_alone)
        connect_inside(pair);
    int sock = connect_to(argv[1], argument(argc, argv, 2, 0));
    CHECK(echo(sock) == 0);
    puts("ready");
    while ((waits ? wait_for_it(sock, fills) : ask(sock)) < 0) {
        int why = errno;
        printf("lost: %s\n", why ? strerror(why) : "end of file");
        char byte = 'x';
        if (!is_alone) {
            CHECK(send(pair[0], "i", 1, MSG_NOSIGNAL) == 1 && recv(pair[1], &byte, 1, 0) == 1 && byte == 'i');
            puts("the inner one is kept");
        }
        close(sock);
        sock = connect_to(argv[1], argument(argc, argv, 2, 0));
        CHECK(echo(sock) == 0);
        puts("connected again");
        waits = 0;
    }
    puts("done");
    return 5;
}
