/* SPDX-License-Identifier: Apache-2.0 */
/* What preflight says of sockets. */
#include "preflight_fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static int keep_descriptor(void *arg)
{
    return fcntl(*(int *)arg, F_GETFD) < 0 ? errno : 0;
}

static void a_unix_socket_of_which_the_tree_has_both_ends_is_nothing(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    expect_nothing(keep_descriptor, pair);
    close(pair[0]);
    close(pair[1]);
}

static int close_one(void *arg)
{
    int *pair = arg;
    return close(pair[1]) < 0 ? errno : 0;
}

static void a_unix_socket_whose_other_end_only_we_have_blocks(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    expect(close_one, pair, "unix-outside", BV_FINDING_BLOCKS);
    close(pair[0]);
    close(pair[1]);
}

static int pair_between_two_processes(void *arg)
{
    int pair[2];
    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return errno;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        for (;;)
            pause();
    }
    close(pair[1]);
    return child < 0 ? errno : 0;
}

static void a_unix_socket_within_the_tree_is_nothing(void **state)
{
    (void)state;
    expect_nothing(pair_between_two_processes, NULL);
}

static int listen_on_loopback(struct sockaddr_in *ret)
{
    socklen_t size = sizeof(*ret);
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)ret, sizeof(*ret)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &size), 0);
    return fd;
}

static int make_connection(void *arg)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? errno : result(connect(fd, arg, sizeof(struct sockaddr_in)));
}

struct listener {
    struct sockaddr_in to;
    int fd;
};

static int close_and_connect(void *arg)
{
    const struct listener *a = arg;
    close(a->fd);
    return make_connection((void *)&a->to);
}

static void a_tcp_connection_to_outside_blocks(void **state)
{
    struct listener a;
    (void)state;
    a.fd = listen_on_loopback(&a.to);
    expect(close_and_connect, &a, "tcp-outside", BV_FINDING_BLOCKS);
    close(a.fd);
}

static void a_tcp_connection_to_outside_that_is_closed_or_kept_does_not_block(void **state)
{
    static const enum bv_finding_weight weights[] = {BV_FINDING_BLOCKS, BV_FINDING_WEAKENS, BV_FINDING_NOTE};
    struct listener a;
    (void)state;
    a.fd = listen_on_loopback(&a.to);
    struct child c = start(close_and_connect, &a);
    skip_if_refused(&c, "TCP");
    for (int tcp = BV_TCP_REFUSE; tcp <= BV_TCP_KEEP; tcp++) {
        struct bv_findings f = inspect_with((struct bv_preflight){.root = c.pid, .tcp = (enum bv_tcp)tcp});
        assert_int_equal(f.count, 1);
        assert_string_equal(f.finding[0].topic, "tcp-outside");
        assert_int_equal(f.finding[0].weight, weights[tcp]);
        bv_findings_free(&f);
    }
    stop(&c);
    close(a.fd);
}

static int make_own_connection(void *arg)
{
    struct sockaddr_in to;
    int listener = listen_on_loopback(&to);
    int refused = make_connection(&to);
    if (refused || arg)
        return refused;
    int fd = accept(listener, NULL, NULL);
    close(listener);
    return fd < 0 ? errno : 0;
}

static void a_tcp_connection_within_the_job_asks_for_a_private_network(void **state)
{
    (void)state;
    expect(make_own_connection, NULL, "tcp-inside", BV_FINDING_BLOCKS);
}

static void a_tcp_connection_within_a_private_network_is_nothing(void **state)
{
    (void)state;
    struct child c = start(make_own_connection, NULL);
    skip_if_refused(&c, "TCP");
    struct bv_findings f = inspect_with((struct bv_preflight){.root = c.pid, .private_network = 1});
    stop(&c);
    assert_int_equal(f.count, 0);
    bv_findings_free(&f);
}

static void a_connection_nobody_accepted_blocks(void **state)
{
    (void)state;
    struct child c = start(make_own_connection, (char[]){"leave it"});
    skip_if_refused(&c, "TCP");
    struct bv_findings f = inspect_with((struct bv_preflight){.root = c.pid, .private_network = 1});
    stop(&c);
    assert_int_equal(f.count, 1);
    assert_string_equal(f.finding[0].topic, "tcp-backlog");
    assert_int_equal(bv_preflight_blocking(&f), 1);
    bv_findings_free(&f);
}

static int make_listener(void *arg)
{
    struct sockaddr_in at;
    (void)arg;
    return listen_on_loopback(&at) < 0 ? errno : 0;
}

static void a_listener_on_the_hosts_network_is_noted(void **state)
{
    (void)state;
    expect(make_listener, NULL, "tcp-listen", BV_FINDING_NOTE);
}

static int make_queued_datagram(void *arg)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    (void)arg;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 || getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        return errno;
    return result(sendto(fd, "hello", 5, 0, (struct sockaddr *)&at, size));
}

static void a_queued_datagram_weakens(void **state)
{
    (void)state;
    expect(make_queued_datagram, NULL, "udp-queue", BV_FINDING_WEAKENS);
}

static int make_mptcp(void *arg)
{
    (void)arg;
    return result(socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */));
}

static void a_multipath_tcp_socket_blocks(void **state)
{
    (void)state;
    expect(make_mptcp, NULL, "mptcp", BV_FINDING_BLOCKS);
}

static int make_vsock(void *arg)
{
    (void)arg;
    return result(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static void a_socket_of_another_family_blocks(void **state)
{
    (void)state;
    expect(make_vsock, NULL, "socket-family", BV_FINDING_BLOCKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unix_socket_of_which_the_tree_has_both_ends_is_nothing),
        cmocka_unit_test(a_unix_socket_whose_other_end_only_we_have_blocks),
        cmocka_unit_test(a_unix_socket_within_the_tree_is_nothing),
        cmocka_unit_test(a_tcp_connection_to_outside_blocks),
        cmocka_unit_test(a_tcp_connection_to_outside_that_is_closed_or_kept_does_not_block),
        cmocka_unit_test(a_tcp_connection_within_the_job_asks_for_a_private_network),
        cmocka_unit_test(a_tcp_connection_within_a_private_network_is_nothing),
        cmocka_unit_test(a_connection_nobody_accepted_blocks),
        cmocka_unit_test(a_listener_on_the_hosts_network_is_noted),
        cmocka_unit_test(a_queued_datagram_weakens),
        cmocka_unit_test(a_multipath_tcp_socket_blocks),
        cmocka_unit_test(a_socket_of_another_family_blocks),
    };
    return are_we_filtered() ? skip_all() : cmocka_run_group_tests(tests, NULL, NULL);
}
