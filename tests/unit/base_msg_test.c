/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/msg.h"

struct pair {
    int a, b;
};

static int setup(void **state)
{
    int ends[2];
    struct pair *p = bv_alloc(sizeof(*p));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    *p = (struct pair){ends[0], ends[1]};
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;
    close_fd(&p->a);
    close_fd(&p->b);
    free(p);
    return 0;
}

#define pair_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static struct bv_deadline soon(void)
{
    return bv_deadline_in(5);
}

static void a_message_arrives_with_its_descriptors(void **state)
{
    const struct pair *p = *state;
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    autojson json_t *j = json_pack("{s:s, s:i}", "op", "status", "n", 7);
    assert_ok(bv_msg_send(p->a, j, ends, 2, soon(), &err));

    automsg struct bv_msg m = {0};
    assert_int_equal(bv_msg_recv(p->b, &m, soon(), NULL), 1);
    assert_true(json_equal(m.body, j));
    assert_int_equal(m.fd_count, 2);
    int to = bv_msg_take_fd(&m, 1);
    assert_int_equal(m.fds[1], -1);
    assert_int_equal(bv_msg_take_fd(&m, 2), -1);
    assert_int_equal(fcntl(to, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(to, "x", 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(to);
    close(ends[0]);
    close(ends[1]);
}

static void descriptors_that_nobody_takes_are_closed(void **state)
{
    const struct pair *p = *state;
    int before = open_fds();
    int many[BV_MSG_FDS] = {0, 1, 2, 0, 1, 2, 0, 1};
    autojson json_t *j = json_object();
    assert_ok(bv_msg_send(p->a, j, many, BV_MSG_FDS, soon(), &err));
    struct bv_msg m = {0};
    assert_int_equal(bv_msg_recv(p->b, &m, soon(), NULL), 1);
    assert_int_equal(m.fd_count, BV_MSG_FDS);
    assert_int_equal(open_fds(), before + BV_MSG_FDS);
    bv_msg_free(&m);
    assert_int_equal(open_fds(), before);
}

static void messages_keep_their_order_and_their_borders(void **state)
{
    const struct pair *p = *state;
    for (int i = 0; i < 10; i++) {
        autojson json_t *j = json_pack("{s:i}", "i", i);
        assert_ok(bv_msg_send(p->a, j, NULL, 0, soon(), &err));
    }
    for (int i = 0; i < 10; i++) {
        automsg struct bv_msg m = {0};
        assert_int_equal(bv_msg_recv(p->b, &m, soon(), NULL), 1);
        assert_int_equal(json_integer_value(json_object_get(m.body, "i")), i);
    }
}

/* An object whose canonical text has exactly `size` bytes. */
static json_t *object_of(size_t size)
{
    json_t *j = json_object();
    autofree char *x = bv_alloc(size);
    memset(x, 'x', size - strlen("{\"x\":\"\"}"));
    bv_json_set(j, "x", json_string(x));
    return j;
}

static void a_message_of_the_full_size_arrives_whole(void **state)
{
    const struct pair *p = *state;
    autojson json_t *j = object_of(BV_MSG_MAX);
    assert_ok(bv_msg_send(p->a, j, NULL, 0, soon(), &err));
    automsg struct bv_msg m = {0};
    assert_int_equal(bv_msg_recv(p->b, &m, soon(), NULL), 1);
    assert_true(json_equal(m.body, j));
}

static void a_message_that_is_too_long_or_has_too_many_descriptors_is_not_sent(void **state)
{
    const struct pair *p = *state;
    int many[BV_MSG_FDS + 1] = {0};
    autojson json_t *huge = object_of(BV_MSG_MAX + 1);
    autojson json_t *small = json_object();
    assert_fails_saying(BV_EPROTO, "too long", bv_msg_send(p->a, huge, NULL, 0, soon(), &err));
    assert_fails(BV_EPROTO, bv_msg_send(p->a, small, many, BV_MSG_FDS + 1, soon(), &err));
    struct bv_msg m;
    assert_fails(BV_ETIMEOUT, bv_msg_recv(p->b, &m, bv_deadline_in(0.01), &err));
}

static void a_datagram_that_is_too_long_is_refused_and_the_next_one_is_read(void **state)
{
    const struct pair *p = *state;
    struct bv_msg m = {0};
    autofree char *text = bv_alloc(BV_MSG_MAX + 1);
    memset(text, ' ', BV_MSG_MAX + 1);
    memcpy(text, "{}", 2);
    assert_int_equal(send(p->a, text, BV_MSG_MAX + 1, 0), BV_MSG_MAX + 1);
    assert_int_equal(send(p->a, "{\"k\":1}", 7, 0), 7);
    assert_fails_saying(BV_EPROTO, "longer", bv_msg_recv(p->b, &m, soon(), &err));
    assert_int_equal(bv_msg_recv(p->b, &m, soon(), NULL), 1);
    assert_int_equal(json_integer_value(json_object_get(m.body, "k")), 1);
    bv_msg_free(&m);
}

static void send_raw(int sock, const void *bytes, size_t size, int fd, int fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(64 * sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr mh = {.msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
    for (int i = 0; i < fd_count; i++)
        memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &fd, sizeof(int));
    assert_int_equal(sendmsg(sock, &mh, 0), size);
}

static void more_descriptors_than_allowed_are_refused_and_closed(void **state)
{
    const struct pair *p = *state;
    int before = open_fds();
    struct bv_msg m = {0};
    send_raw(p->a, "{}", 2, 0, BV_MSG_FDS + 1);
    assert_fails(BV_EPROTO, bv_msg_recv(p->b, &m, soon(), &err));
    send_raw(p->a, "{}", 2, 0, 60);
    assert_fails(BV_EPROTO, bv_msg_recv(p->b, &m, soon(), &err));
    assert_int_equal(open_fds(), before);
    assert_null(m.body);
}

static void garbage_is_refused_and_its_descriptors_are_closed(void **state)
{
    const struct pair *p = *state;
    static const char *const bad[] = {"x", "[]", "{", "{}{}", "{\"a\":1,\"a\":1}", "1", "\"x\"", "null", "\xff"};
    int before = open_fds();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bv_msg m = {0};
        send_raw(p->a, bad[i], strlen(bad[i]), 0, 2);
        assert_fails_saying(BV_EPROTO, "not a JSON object", bv_msg_recv(p->b, &m, soon(), &err));
        assert_null(m.body);
        assert_int_equal(m.fd_count, 0);
    }
    assert_int_equal(open_fds(), before);
}

static void the_end_of_the_peer_is_no_error(void **state)
{
    struct pair *p = *state;
    struct bv_msg m = {0};
    autojson json_t *j = json_object();
    assert_ok(bv_msg_send(p->a, j, NULL, 0, soon(), &err));
    close_fd(&p->a);
    assert_int_equal(bv_msg_recv(p->b, &m, soon(), NULL), 1);
    bv_msg_free(&m);
    assert_int_equal(bv_msg_recv(p->b, &m, soon(), NULL), 0);
}

static void a_peer_that_ended_with_a_message_unread_is_heard_to_its_last_word(void **state)
{
    struct pair *p = *state;
    struct bv_msg m = {0};
    autojson json_t *j = json_pack("{s:s}", "is", "ended");
    assert_ok(bv_msg_send(p->b, j, NULL, 0, soon(), &err)); /* never read */
    assert_ok(bv_msg_send(p->a, j, NULL, 0, soon(), &err));
    close_fd(&p->a);
    assert_ok(bv_msg_recv(p->b, &m, soon(), &err));
    assert_non_null(m.body);
    bv_msg_free(&m);
    assert_int_equal(bv_msg_recv(p->b, &m, soon(), NULL), 0);
}

static void sending_to_a_peer_that_is_gone_fails_without_a_signal(void **state)
{
    struct pair *p = *state;
    autojson json_t *j = json_object();
    close_fd(&p->b);
    assert_fails_saying(BV_EINTERNAL, "pipe", bv_msg_send(p->a, j, NULL, 0, soon(), &err));
}

static void waiting_ends_at_the_deadline(void **state)
{
    const struct pair *p = *state;
    struct bv_msg m = {0};
    int64_t begin = bv_clock_ns(CLOCK_MONOTONIC);
    assert_fails_saying(BV_ETIMEOUT, "deadline", bv_msg_recv(p->b, &m, bv_deadline_in(0.05), &err));
    int64_t ms = (bv_clock_ns(CLOCK_MONOTONIC) - begin) / 1000000;
    assert_in_range(ms, 50, 4000);
}

static void sending_to_a_peer_that_does_not_read_ends_at_the_deadline(void **state)
{
    const struct pair *p = *state;
    struct bv_error err = {0};
    autojson json_t *j = object_of(60000);
    int rc = 0;
    for (int i = 0; i < 1000 && rc == 0; i++)
        rc = bv_msg_send(p->a, j, NULL, 0, bv_deadline_in(0.05), &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, BV_ETIMEOUT);
}

static void a_message_that_comes_late_but_in_time_is_received(void **state)
{
    const struct pair *p = *state;
    pid_t pid = fork();
    if (pid == 0) {
        usleep(50000);
        autojson json_t *j = json_object();
        _exit(bv_msg_send(p->a, j, NULL, 0, soon(), NULL) < 0);
    }
    automsg struct bv_msg m = {0};
    assert_int_equal(bv_msg_recv(p->b, &m, soon(), NULL), 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pair_test(a_message_arrives_with_its_descriptors),
        pair_test(descriptors_that_nobody_takes_are_closed),
        pair_test(messages_keep_their_order_and_their_borders),
        pair_test(a_message_of_the_full_size_arrives_whole),
        pair_test(a_message_that_is_too_long_or_has_too_many_descriptors_is_not_sent),
        pair_test(a_datagram_that_is_too_long_is_refused_and_the_next_one_is_read),
        pair_test(more_descriptors_than_allowed_are_refused_and_closed),
        pair_test(garbage_is_refused_and_its_descriptors_are_closed),
        pair_test(the_end_of_the_peer_is_no_error),
        pair_test(a_peer_that_ended_with_a_message_unread_is_heard_to_its_last_word),
        pair_test(sending_to_a_peer_that_is_gone_fails_without_a_signal),
        pair_test(waiting_ends_at_the_deadline),
        pair_test(sending_to_a_peer_that_does_not_read_ends_at_the_deadline),
        pair_test(a_message_that_comes_late_but_in_time_is_received),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
