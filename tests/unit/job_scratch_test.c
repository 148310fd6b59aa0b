/* SPDX-License-Identifier: Apache-2.0 */
#include "tmpdir.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "job/scratch.h"

static size_t entries_in(int dirfd)
{
    size_t n = 0;
    autoclosedir DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    while (readdir(dir))
        n++;
    return n - 2;
}

static void it_is_removed_whatever_is_in_it(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_scratch s;
    struct stat st;
    assert_ok(bv_scratch_create(d->path, "scratch", &s, &err));
    assert_int_equal(fstat(s.dirfd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(mkdirat(s.dirfd, "locked", 0700), 0);
    put_text(s.dirfd, "locked/file", "x");
    assert_int_equal(mkdirat(s.dirfd, "locked/sub", 0000), 0);
    assert_int_equal(fchmodat(s.dirfd, "locked", 0500, 0), 0);
    bv_scratch_remove(&s);
    assert_int_equal(entries_in(d->fd), 0);
    bv_scratch_remove(&s); /* again is harmless */
}

static void what_is_in_use_is_left_alone(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_scratch a, b;
    assert_ok(bv_scratch_create(d->path, "scratch", &a, &err));
    assert_ok(bv_scratch_create(d->path, "scratch", &b, &err));
    assert_int_equal(entries_in(d->fd), 2);
    bv_scratch_remove(&a);
    bv_scratch_remove(&b);
}

static void what_a_killed_command_left_is_removed_by_the_next(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_scratch s;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (bv_scratch_create(d->path, "scratch", &s, NULL) < 0 || write(ready[1], "", 1) != 1)
            _exit(1);
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ready[0]);
    close(ready[1]);
    put_text(d->fd, "scratch-notes", "not ours");
    assert_int_equal(mkdirat(d->fd, "scratch-theirs", 0700), 0);
    assert_int_equal(entries_in(d->fd), 3);
    assert_ok(bv_scratch_create(d->path, "scratch", &s, &err));
    assert_int_equal(entries_in(d->fd), 3);
    bv_scratch_remove(&s);
    assert_int_equal(entries_in(d->fd), 2);
}

/* Between the making and the locking of its lock, a directory looks like one that was left behind. */
static void one_that_is_being_made_is_not_taken_away(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_scratch s;
    struct stat st;
    pid_t pid = fork();
    while (pid == 0) {
        if (bv_scratch_create(d->path, "scratch", &s, NULL) < 0)
            _exit(1);
        bv_scratch_remove(&s);
    }
    for (int i = 0; i < 2000; i++) {
        assert_ok(bv_scratch_create(d->path, "scratch", &s, &err));
        assert_int_equal(stat(s.path, &st), 0);
        bv_scratch_remove(&s);
    }
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status)); /* it had no failure before */
}

static void a_place_that_is_not_there_is_named(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_scratch s;
    autofree char *missing = path_in(d, "missing");
    assert_fails_saying(BV_EDENIED, "missing", bv_scratch_create(missing, "scratch", &s, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tmpdir_test(it_is_removed_whatever_is_in_it),
        tmpdir_test(what_is_in_use_is_left_alone),
        tmpdir_test(what_a_killed_command_left_is_removed_by_the_next),
        tmpdir_test(one_that_is_being_made_is_not_taken_away),
        tmpdir_test(a_place_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
