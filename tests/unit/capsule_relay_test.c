/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "capsule/relay.h"

/* from: the job writes to from[1]; to: the outside reads from to[0]. */
struct line {
    int from[2], to[2];
    uint64_t delivered;
    struct bv_relay *relay;
};

static int setup(void **state)
{
    struct line *l = bv_alloc(sizeof(*l));
    if (pipe2(l->from, O_CLOEXEC) < 0 || pipe2(l->to, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    l->relay = bv_relay_new(l->from[0], l->to[1], &l->delivered);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    struct line *l = *state;
    bv_relay_free(l->relay);
    for (int i = 0; i < 2; i++) {
        close_fd(&l->from[i]);
        close_fd(&l->to[i]);
    }
    free(l);
    return 0;
}

#define relay_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* Let the relay do what it can now; returns the number of steps. */
static int run(struct line *l)
{
    for (int steps = 0;; steps++) {
        struct pollfd p = bv_relay_poll(l->relay);
        if (bv_relay_done(l->relay) || p.fd < 0 || poll(&p, 1, 0) <= 0)
            return steps;
        bv_relay_step(l->relay, p.revents);
        assert_true(steps < 1000000);
    }
}

static void say(struct line *l, const char *text)
{
    assert_int_equal(bv_write_full(l->from[1], text, strlen(text)), 0);
}

static void assert_heard(struct line *l, const char *text)
{
    char got[4096] = "";
    ssize_t n = read(l->to[0], got, sizeof(got) - 1);
    assert_int_equal(n < 0 ? 0 : n, strlen(text));
    assert_string_equal(got, text);
}

static void bytes_are_carried_over_and_counted(void **state)
{
    struct line *l = *state;
    say(l, "hello");
    run(l);
    assert_heard(l, "hello");
    assert_int_equal(l->relay->position, 5);
    assert_int_equal(l->delivered, 5);
    say(l, " again");
    run(l);
    assert_heard(l, " again");
    assert_int_equal(l->delivered, 11);
    assert_false(bv_relay_done(l->relay));
}

static void what_is_read_but_not_yet_written_is_not_counted_as_delivered(void **state)
{
    struct line *l = *state;
    say(l, "hello");
    struct pollfd p = bv_relay_poll(l->relay);
    assert_int_equal(p.fd, l->from[0]);
    assert_int_equal(p.events, POLLIN);
    bv_relay_step(l->relay, POLLIN);
    assert_int_equal(l->relay->position, 5);
    assert_int_equal(l->delivered, 0);
    p = bv_relay_poll(l->relay);
    assert_int_equal(p.fd, l->to[1]);
    assert_int_equal(p.events, POLLOUT);
    bv_relay_step(l->relay, 0); /* nothing happened: nothing is done */
    assert_int_equal(l->delivered, 0);
}

static void what_the_outside_has_got_before_is_skipped_once(void **state)
{
    struct line *l = *state;
    l->delivered = 100;
    l->relay->position = 93;
    l->relay->skip = 7;
    say(l, "0123");
    run(l);
    assert_heard(l, "");
    say(l, "456new");
    run(l);
    assert_heard(l, "new");
    assert_int_equal(l->relay->position, 103);
    assert_int_equal(l->delivered, 103);
    assert_int_equal(l->relay->skip, 0);
}

static void a_consumer_that_does_not_read_stops_the_job_and_nothing_is_lost(void **state)
{
    struct line *l = *state;
    char chunk[4096];
    uint64_t said = 0, heard = 0;
    assert_int_equal(fcntl(l->from[1], F_SETFL, O_NONBLOCK), 0);
    for (int i = 0;; i++) {
        memset(chunk, 'a' + i % 26, sizeof(chunk));
        if (write(l->from[1], chunk, sizeof(chunk)) < 0)
            break;
        said += sizeof(chunk);
        run(l);
    }
    assert_true(said > 65536 * 2);
    assert_true(l->delivered < said);
    close_fd(&l->from[1]);
    while (!bv_relay_done(l->relay) || heard < said) {
        ssize_t n = read(l->to[0], chunk, sizeof(chunk));
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(chunk[i], 'a' + (int)((heard + (uint64_t)i) / sizeof(chunk) % 26));
        heard += n > 0 ? (uint64_t)n : 0;
        run(l);
    }
    assert_int_equal(heard, said);
    assert_int_equal(l->delivered, said);
}

static void at_the_end_what_is_left_is_written_before_it_is_done(void **state)
{
    struct line *l = *state;
    say(l, "last words");
    close_fd(&l->from[1]);
    assert_false(bv_relay_done(l->relay));
    run(l);
    assert_true(bv_relay_done(l->relay));
    assert_heard(l, "last words");
    assert_int_equal(bv_relay_poll(l->relay).fd, -1);
    assert_true(fcntl(l->to[1], F_GETFD) >= 0); /* the supervisor's own output stays open */
}

static void a_pipe_of_ours_is_closed_behind_the_last_byte(void **state)
{
    struct line *l = *state;
    l->relay->close_to = 1;
    say(l, "input");
    run(l);
    close_fd(&l->from[1]);
    run(l);
    assert_true(bv_relay_done(l->relay));
    l->to[1] = -1; /* the relay has closed it */
    char got[16] = "";
    assert_int_equal(read(l->to[0], got, sizeof(got)), 5);
    assert_int_equal(read(l->to[0], got, sizeof(got)), 0);
}

static void when_nobody_reads_any_more_the_job_s_pipe_breaks(void **state)
{
    struct line *l = *state;
    l->relay->close_from = 1;
    close_fd(&l->to[0]);
    say(l, "unheard");
    run(l);
    l->from[0] = -1; /* the relay has closed it */
    assert_true(bv_relay_done(l->relay));
    assert_int_equal(l->delivered, 0);
    assert_int_equal(write(l->from[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
}

static void the_end_of_a_terminal_is_the_end(void **state)
{
    struct line *l = *state;
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    struct bv_relay *pipe_relay = l->relay;
    l->relay = bv_relay_new(master, l->to[1], NULL);
    assert_int_equal(write(slave, "x", 1), 1);
    close(slave);
    run(l);
    assert_heard(l, "x");
    assert_true(bv_relay_done(l->relay)); /* the kernel says EIO */
    assert_int_equal(l->relay->own_count, 1);
    bv_relay_free(l->relay);
    l->relay = pipe_relay;
    close(master);
}

static void a_look_at_what_is_in_flight_leaves_it_there(void **state)
{
    struct line *l = *state;
    char seen[64] = "";
    size_t size = 77;
    assert_ok(bv_relay_in_flight(l->relay, l->from[0], seen, sizeof(seen), &size, &err));
    assert_int_equal(size, 0);

    say(l, "in the buffer,");
    bv_relay_step(l->relay, POLLIN);
    say(l, " in the pipe");
    for (int i = 0; i < 2; i++) { /* either end of the pipe will do */
        memset(seen, 0, sizeof(seen));
        assert_ok(bv_relay_in_flight(l->relay, l->from[i], seen, sizeof(seen), &size, &err));
        assert_int_equal(size, 26);
        assert_string_equal(seen, "in the buffer, in the pipe");
    }
    run(l);
    assert_heard(l, "in the buffer, in the pipe");
    assert_int_equal(l->delivered, 26);
}

static void a_full_pipe_is_seen_whole(void **state)
{
    struct line *l = *state;
    const size_t room = 1 << 20;
    autofree char *seen = bv_alloc(room);
    char byte[1] = "a";
    size_t size = 0, said = 0;
    assert_int_equal(fcntl(l->from[1], F_SETFL, O_NONBLOCK), 0);
    for (; write(l->from[1], byte, 1) == 1; said++)
        byte[0] = (char)('a' + (said + 1) % 26);
    assert_ok(bv_relay_in_flight(l->relay, l->from[0], seen, room, &size, &err));
    assert_int_equal(size, said);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(seen[i], 'a' + (int)(i % 26));
    int waiting = 0;
    assert_int_equal(ioctl(l->from[0], FIONREAD, &waiting), 0);
    assert_int_equal(waiting, said);
}

static void what_does_not_fit_or_is_no_pipe_is_an_error(void **state)
{
    struct line *l = *state;
    char seen[4];
    size_t size = 77;
    say(l, "hello");
    bv_relay_step(l->relay, POLLIN);
    assert_fails(BV_EINTERNAL, bv_relay_in_flight(l->relay, l->from[0], seen, sizeof(seen), &size, &err));
    assert_fails(BV_EINTERNAL, bv_relay_in_flight(l->relay, -1, seen, sizeof(seen), &size, &err));
    assert_int_equal(size, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        relay_test(bytes_are_carried_over_and_counted),
        relay_test(what_is_read_but_not_yet_written_is_not_counted_as_delivered),
        relay_test(what_the_outside_has_got_before_is_skipped_once),
        relay_test(a_consumer_that_does_not_read_stops_the_job_and_nothing_is_lost),
        relay_test(at_the_end_what_is_left_is_written_before_it_is_done),
        relay_test(a_pipe_of_ours_is_closed_behind_the_last_byte),
        relay_test(when_nobody_reads_any_more_the_job_s_pipe_breaks),
        relay_test(the_end_of_a_terminal_is_the_end),
        relay_test(a_look_at_what_is_in_flight_leaves_it_there),
        relay_test(a_full_pipe_is_seen_whole),
        relay_test(what_does_not_fit_or_is_no_pipe_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
