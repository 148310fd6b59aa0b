/* SPDX-License-Identifier: Apache-2.0 */
/* Each test has a child whose descriptors 0 to 2 are what a scheduler might give. */
#include "tmpdir.h"

#include <pty.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "capsule/stdio.h"

/* What the child finds, as one line: "kind[=same_as][flags][@pos]" for each end. */
static void describe(const struct bv_stdio *s, char *out, size_t room)
{
    size_t n = 0;
    for (int i = 0; i < 3; i++) {
        const struct bv_stdio_end *e = &s->end[i];
        n += (size_t)snprintf(out + n, room - n, "%s%s", i ? " " : "", bv_stdio_kind_name(e->kind));
        if (e->same_as >= 0)
            n += (size_t)snprintf(out + n, room - n, "=%d", e->same_as);
        if (e->kind == BV_STDIO_FILE && e->same_as < 0)
            n += (size_t)snprintf(out + n, room - n, "%s%s%s@%lld", (e->flags & O_ACCMODE) == O_RDONLY ? "r" : "",
                                  (e->flags & O_ACCMODE) == O_WRONLY ? "w" : "", e->flags & O_APPEND ? "a" : "",
                                  (long long)e->pos);
        if (e->kind == BV_STDIO_PIPE && e->same_as < 0 && (e->job_fd < 0 || e->our_fd < 0 || !e->ino))
            n += (size_t)snprintf(out + n, room - n, "!");
    }
}

/* Descriptors for 0 to 2; -1 = closed. */
static void assert_found(const int fds[3], const char *expected)
{
    int report[2];
    char found[256] = "";
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct bv_stdio s;
        int high[3], to = fcntl(report[1], F_DUPFD_CLOEXEC, 50);
        for (int i = 0; i < 3; i++)
            high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 60);
        for (int i = 0; i < 3; i++) {
            close(i);
            if (high[i] >= 0)
                dup2(high[i], i);
        }
        if (bv_stdio_inspect(0, &s, NULL) < 0)
            _exit(1);
        describe(&s, found, sizeof(found));
        bv_stdio_free(&s);
        _exit(bv_write_full(to, found, strlen(found)) < 0);
    }
    close(report[1]);
    int status;
    assert_true(bv_read_full(report[0], found, sizeof(found) - 1) >= 0);
    close(report[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_string_equal(found, expected);
}

static int open_in(const struct tmpdir *d, const char *name, int flags)
{
    int fd = openat(d->fd, name, flags | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void a_file_is_the_job_s_own_with_its_flags_and_its_place(void **state)
{
    const struct tmpdir *d = *state;
    put_text(d->fd, "in", "0123456789");
    autoclose int in = open_in(d, "in", O_RDONLY);
    autoclose int out = open_in(d, "out", O_WRONLY);
    autoclose int log = open_in(d, "log", O_WRONLY | O_APPEND);
    assert_int_equal(lseek(in, 4, SEEK_SET), 4);
    assert_found((int[]){in, out, log}, "filer@4 filew@0 filewa@0");
    autoclose int both = open_in(d, "both", O_RDWR);
    assert_found((int[]){in, both, log}, "filer@4 file@0 filewa@0");
}

static void two_numbers_of_one_open_file_stay_one(void **state)
{
    const struct tmpdir *d = *state;
    autoclose int out = open_in(d, "out", O_WRONLY);
    autoclose int again = open_in(d, "out", O_WRONLY);
    assert_found((int[]){-1, out, out}, "null filew@0 file=1");
    assert_found((int[]){-1, out, again}, "null filew@0 filew@0");
}

static void pipes_and_sockets_are_relayed(void **state)
{
    (void)state;
    int ends[2], pair[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_found((int[]){ends[0], ends[1], ends[1]}, "pipe pipe pipe=1");
    assert_found((int[]){ends[0], ends[1], pair[0]}, "pipe pipe pipe");
    assert_found((int[]){pair[0], pair[0], pair[0]}, "pipe pipe pipe=1");
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(pair[i]);
    }
}

static void two_openings_of_one_fifo_are_one_stream(void **state)
{
    const struct tmpdir *d = *state;
    assert_int_equal(mkfifoat(d->fd, "fifo", 0600), 0);
    autoclose int a = openat(d->fd, "fifo", O_RDWR | O_CLOEXEC);
    autoclose int b = openat(d->fd, "fifo", O_RDWR | O_CLOEXEC);
    assert_found((int[]){-1, a, b}, "null pipe pipe=1");
}

static void a_terminal_is_known_as_one(void **state)
{
    (void)state;
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    assert_found((int[]){slave, slave, slave}, "tty tty tty=1");
    assert_found((int[]){slave, -1, slave}, "tty null tty");
    close(master);
    close(slave);
}

static void what_is_closed_or_null_becomes_null(void **state)
{
    (void)state;
    autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_found((int[]){-1, -1, -1}, "null null null");
    assert_found((int[]){null, -1, null}, "null null null");
    assert_found((int[]){null, null, null}, "null null null=1");
    assert_found((int[]){-1, null, -1}, "null null null");
}

static void a_deleted_file_has_no_path_and_is_relayed(void **state)
{
    const struct tmpdir *d = *state;
    autoclose int out = open_in(d, "out", O_WRONLY);
    assert_int_equal(unlinkat(d->fd, "out", 0), 0);
    assert_found((int[]){-1, out, out}, "null pipe pipe=1");
    autoclose int other = open_in(d, "out", O_WRONLY); /* another file under its old name */
    assert_found((int[]){-1, out, other}, "null pipe filew@0");
}

/* As on network file systems: the kernel has forgotten the name, under which the file is. */
static void a_file_that_is_there_is_opened_again_whatever_the_kernel_says(void **state)
{
    const struct tmpdir *d = *state;
    autoclose int out = open_in(d, "out", O_WRONLY);
    assert_int_equal(linkat(d->fd, "out", d->fd, "other", 0), 0);
    assert_int_equal(unlinkat(d->fd, "out", 0), 0);
    assert_found((int[]){-1, out, out}, "null pipe pipe=1");
    assert_int_equal(linkat(d->fd, "other", d->fd, "out", 0), 0);
    assert_found((int[]){-1, out, -1}, "null filew@0 null");
}

static void a_restored_job_gets_new_pipes_and_only_those(void **state)
{
    (void)state;
    struct bv_stdio s;
    const enum bv_stdio_kind kind[] = {BV_STDIO_PIPE, BV_STDIO_PIPE, BV_STDIO_PIPE};
    const int same_as[] = {-1, -1, 1};
    char byte = 0;
    assert_ok(bv_stdio_recreate(kind, same_as, &s, &err));
    assert_int_equal(s.end[2].same_as, 1);
    assert_int_equal(s.end[2].job_fd, -1);
    assert_int_equal(write(s.end[0].our_fd, "i", 1), 1);
    assert_int_equal(read(s.end[0].job_fd, &byte, 1), 1);
    assert_int_equal(write(s.end[1].job_fd, "o", 1), 1);
    assert_int_equal(read(s.end[1].our_fd, &byte, 1), 1);
    assert_true(s.end[0].ino && s.end[1].ino && s.end[0].ino != s.end[1].ino);

    bv_stdio_close_job_ends(&s);
    assert_int_equal(s.end[0].job_fd, -1);
    assert_int_equal(read(s.end[1].our_fd, &byte, 1), 0);
    bv_stdio_free(&s);
    assert_int_equal(s.end[1].our_fd, -1);

    const enum bv_stdio_kind others[] = {BV_STDIO_NULL, BV_STDIO_FILE, BV_STDIO_TTY};
    const int none[] = {-1, -1, -1};
    assert_ok(bv_stdio_recreate(others, none, &s, &err));
    for (int i = 0; i < 3; i++)
        assert_true(s.end[i].job_fd == -1 && s.end[i].our_fd == -1 && s.end[i].kind == others[i]);
    assert_true(bv_stdio_has(&s, BV_STDIO_TTY));
    assert_false(bv_stdio_has(&s, BV_STDIO_PIPE));
    bv_stdio_free(&s);
}

static void a_kind_has_a_name_and_a_name_has_a_kind(void **state)
{
    (void)state;
    static const char *const names[] = {"null", "file", "pipe", "tty"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(bv_stdio_kind_parse(names[i]), i);
        assert_string_equal(bv_stdio_kind_name((enum bv_stdio_kind)i), names[i]);
    }
    assert_int_equal(bv_stdio_kind_parse(""), -1);
    assert_int_equal(bv_stdio_kind_parse("socket"), -1);
}

/* In a child: inspect, become, then write through the new 1 and 2 and read from the new 0. */
static int become_and_write(int in, int out, int errors)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct bv_stdio s;
        char byte = '?';
        dup2(in, 0);
        dup2(out, 1);
        dup2(errors, 2);
        if (bv_stdio_inspect(0, &s, NULL) < 0 || bv_stdio_become(&s, -1, NULL) < 0)
            _exit(1);
        if (read(0, &byte, 1) != 1 || write(1, "out", 3) != 3 || write(2, "err", 3) != 3 || write(1, &byte, 1) != 1)
            _exit(2);
        for (int i = 0; i < 3; i++)
            if (fcntl(i, F_GETFD) != 0)
                _exit(3);
        bv_stdio_free(&s);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    return status;
}

static void the_job_goes_on_in_its_files_where_the_scheduler_stood(void **state)
{
    const struct tmpdir *d = *state;
    put_text(d->fd, "in", "0123");
    put_text(d->fd, "out", "head:rest of it");
    autoclose int in = open_in(d, "in", O_RDONLY);
    autoclose int out = open_in(d, "out", O_WRONLY);
    lseek(in, 2, SEEK_SET);
    lseek(out, 5, SEEK_SET);
    assert_int_equal(become_and_write(in, out, out), 0);
    assert_text(d->fd, "out", "head:outerr2 it");
}

static void files_opened_for_appending_are_appended_to(void **state)
{
    const struct tmpdir *d = *state;
    put_text(d->fd, "in", "x");
    put_text(d->fd, "out", "before ");
    autoclose int in = open_in(d, "in", O_RDONLY);
    autoclose int out = open_in(d, "out", O_WRONLY | O_APPEND);
    autoclose int again = open_in(d, "out", O_WRONLY | O_APPEND);
    assert_int_equal(become_and_write(in, out, again), 0);
    assert_text(d->fd, "out", "before outerrx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tmpdir_test(a_file_is_the_job_s_own_with_its_flags_and_its_place),
        tmpdir_test(two_numbers_of_one_open_file_stay_one),
        cmocka_unit_test(pipes_and_sockets_are_relayed),
        tmpdir_test(two_openings_of_one_fifo_are_one_stream),
        cmocka_unit_test(a_terminal_is_known_as_one),
        cmocka_unit_test(what_is_closed_or_null_becomes_null),
        tmpdir_test(a_deleted_file_has_no_path_and_is_relayed),
        tmpdir_test(a_file_that_is_there_is_opened_again_whatever_the_kernel_says),
        cmocka_unit_test(a_restored_job_gets_new_pipes_and_only_those),
        cmocka_unit_test(a_kind_has_a_name_and_a_name_has_a_kind),
        tmpdir_test(the_job_goes_on_in_its_files_where_the_scheduler_stood),
        tmpdir_test(files_opened_for_appending_are_appended_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
