/* SPDX-License-Identifier: Apache-2.0 */
#include "tmpdir.h"

#include <fcntl.h>

#include "base/treecopy.h"
#include "base/treediff.h"

static int open_at(int dirfd, const char *name)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* a/ with something of everything, and an empty b/. */
static void make_trees(const struct tmpdir *d)
{
    static const char holes[100000] = {[99999] = 'x'};
    assert_int_equal(mkdirat(d->fd, "a", 0700), 0);
    assert_int_equal(mkdirat(d->fd, "b", 0700), 0);
    put_text(d->fd, "a/file", "one\ntwo\nthree\n");
    put_text(d->fd, "a/empty", "");
    put_bytes(d->fd, "a/large", holes, sizeof(holes));
    assert_int_equal(mkdirat(d->fd, "a/sub", 0700), 0);
    put_program(d->fd, "a/sub/run", "#!/bin/sh\n");
    assert_int_equal(symlinkat("../file", d->fd, "a/sub/link"), 0);
    assert_int_equal(symlinkat("/nowhere", d->fd, "a/dangling"), 0);
    assert_int_equal(mkfifoat(d->fd, "a/fifo", 0640), 0);
    assert_int_equal(fchmodat(d->fd, "a/sub", 0500, 0), 0);
}

static void copy(const struct tmpdir *d, const struct bv_tree_copy *how, struct bv_tree_copied *ret)
{
    autoclose int a = open_at(d->fd, "a"), b = open_at(d->fd, "b");
    assert_ok(bv_tree_copy(a, b, how, ret, &err));
}

static void compare(const struct tmpdir *d, size_t max, struct bv_tree_differences *ret)
{
    autoclose int a = open_at(d->fd, "a"), b = open_at(d->fd, "b");
    assert_ok(bv_tree_compare(a, b, &(struct bv_tree_compare){.max = max}, ret, &err));
}

static void unlock(const struct tmpdir *d)
{
    fchmodat(d->fd, "a/sub", 0700, 0);
    fchmodat(d->fd, "b/sub", 0700, 0);
}

/* The only difference between the trees, as text. */
static void assert_difference(const struct tmpdir *d, const char *path, const char *text)
{
    struct bv_tree_differences found = {0};
    compare(d, 10, &found);
    assert_int_equal(found.total, 1);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.list[0].path, path);
    autofree char *got = bv_tree_difference_text(&found.list[0], "A", "B");
    assert_string_equal(got, text);
    bv_tree_differences_free(&found);
}

static void a_copy_is_the_same(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_tree_copied copied = {0};
    struct bv_tree_differences found = {0};
    struct stat a, b;
    make_trees(d);
    copy(d, &(struct bv_tree_copy){0}, &copied);
    assert_int_equal(copied.files, 4);
    assert_int_equal(copied.left_out, 0);
    compare(d, 10, &found);
    assert_int_equal(found.total, 0);
    assert_int_equal(fstatat(d->fd, "a/file", &a, 0), 0);
    assert_int_equal(fstatat(d->fd, "b/file", &b, 0), 0);
    assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
    assert_int_equal(fstatat(d->fd, "b/fifo", &b, 0), 0);
    assert_true(S_ISFIFO(b.st_mode));
    unlock(d);
}

static void a_directory_that_is_skipped_is_left_out(void **state)
{
    const struct tmpdir *d = *state;
    struct stat st;
    make_trees(d);
    assert_int_equal(fstatat(d->fd, "a/sub", &st, 0), 0);
    struct bv_tree_id skip = {.dev = st.st_dev, .ino = st.st_ino};
    copy(d, &(struct bv_tree_copy){.skip = &skip, .skip_count = 1}, NULL);
    assert_missing(d->fd, "b/sub");
    assert_difference(d, "sub", "exists after A and not after B");
    unlock(d);
}

static void a_tree_that_is_too_large_is_refused(void **state)
{
    const struct tmpdir *d = *state;
    assert_int_equal(mkdirat(d->fd, "a", 0700), 0);
    assert_int_equal(mkdirat(d->fd, "b", 0700), 0);
    autofree char *bytes = bv_alloc(2 << 20);
    memset(bytes, 'x', 2 << 20);
    put_bytes(d->fd, "a/large", bytes, 2 << 20);
    autoclose int a = open_at(d->fd, "a"), b = open_at(d->fd, "b");
    struct bv_tree_copy how = {.limit = 1 << 20};
    assert_fails_saying(BV_EUSAGE, "more than 1 MiB", bv_tree_copy(a, b, &how, NULL, &err));
}

static int always(void *arg)
{
    (void)arg;
    return 1;
}

static void a_copy_can_be_interrupted(void **state)
{
    const struct tmpdir *d = *state;
    make_trees(d);
    autoclose int a = open_at(d->fd, "a"), b = open_at(d->fd, "b");
    struct bv_tree_copy how = {.interrupted = always};
    assert_fails_saying(BV_EINTERNAL, "interrupted", bv_tree_copy(a, b, &how, NULL, &err));
    unlock(d);
}

static void a_file_that_may_not_be_read_is_named(void **state)
{
    const struct tmpdir *d = *state;
    if (geteuid() == 0)
        skip();
    make_trees(d);
    assert_int_equal(fchmodat(d->fd, "a/sub", 0700, 0), 0);
    assert_int_equal(fchmodat(d->fd, "a/sub/run", 0000, 0), 0);
    autoclose int a = open_at(d->fd, "a"), b = open_at(d->fd, "b");
    struct bv_tree_copy how = {0};
    assert_fails_saying(BV_EDENIED, "sub: cannot copy run: Perm", bv_tree_copy(a, b, &how, NULL, &err));
}

static void a_tree_that_is_too_deep_is_refused(void **state)
{
    const struct tmpdir *d = *state;
    assert_int_equal(mkdirat(d->fd, "a", 0700), 0);
    assert_int_equal(mkdirat(d->fd, "b", 0700), 0);
    int at = open_at(d->fd, "a");
    for (int i = 0; i < BV_TREE_DEPTH + 2; i++) {
        assert_int_equal(mkdirat(at, "d", 0700), 0);
        int next = open_at(at, "d");
        close(at);
        at = next;
    }
    close(at);
    autoclose int a = open_at(d->fd, "a"), b = open_at(d->fd, "b");
    struct bv_tree_copy how = {0};
    struct bv_tree_differences found;
    assert_fails_saying(BV_EUSAGE, "within each other", bv_tree_copy(a, b, &how, NULL, &err));
    struct bv_tree_compare compare_how = {.max = 1};
    assert_fails_saying(BV_EUSAGE, "within each other", bv_tree_compare(a, a, &compare_how, &found, &err));
}

static void each_difference_is_told(void **state)
{
    const struct tmpdir *d = *state;
    make_trees(d);
    copy(d, &(struct bv_tree_copy){0}, NULL);
    put_text(d->fd, "b/file", "one\ntwo\nthrEe\n");
    assert_difference(d, "file", "differs from byte 11 on (line 3): 14 bytes after A, 14 after B");
    put_text(d->fd, "b/file", "one\n");
    assert_difference(d, "file", "differs from byte 4 on (line 2): 14 bytes after A, 4 after B");
    put_text(d->fd, "b/file", "one\ntwo\nthree\n");

    assert_int_equal(fchmodat(d->fd, "b/empty", 0600, 0), 0);
    assert_difference(d, "empty", "has mode 0644 after A and 0600 after B");
    assert_int_equal(fchmodat(d->fd, "b/empty", 0644, 0), 0);

    assert_int_equal(unlinkat(d->fd, "b/fifo", 0), 0);
    put_text(d->fd, "b/fifo", "");
    assert_difference(d, "fifo", "is of another type");
    assert_int_equal(unlinkat(d->fd, "b/fifo", 0), 0);
    assert_difference(d, "fifo", "exists after A and not after B");
    assert_int_equal(mkfifoat(d->fd, "b/fifo", 0640), 0);

    assert_int_equal(unlinkat(d->fd, "b/dangling", 0), 0);
    assert_int_equal(symlinkat("/nowhere/else", d->fd, "b/dangling"), 0);
    assert_difference(d, "dangling", "is a link to something else");
    assert_int_equal(unlinkat(d->fd, "b/dangling", 0), 0);
    assert_int_equal(symlinkat("/nowhere", d->fd, "b/dangling"), 0);

    unlock(d);
    put_text(d->fd, "b/sub/new", "");
    assert_difference(d, "sub/new", "exists after B and not after A");
}

/* At the border of what is read at once, and behind it. */
static void a_late_difference_is_found_where_it_is(void **state)
{
    const struct tmpdir *d = *state;
    const size_t size = 700000;
    static const size_t places[] = {262143, 262144, 524288, 699999};
    autofree char *bytes = bv_alloc(size);
    assert_int_equal(mkdirat(d->fd, "a", 0700), 0);
    assert_int_equal(mkdirat(d->fd, "b", 0700), 0);
    memset(bytes, '\n', size);
    put_bytes(d->fd, "a/f", bytes, size);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct bv_tree_differences found = {0};
        bytes[places[i]] = 'x';
        put_bytes(d->fd, "b/f", bytes, size);
        bytes[places[i]] = '\n';
        compare(d, 1, &found);
        assert_int_equal(found.total, 1);
        assert_int_equal(found.list[0].offset, places[i]);
        assert_int_equal(found.list[0].line, places[i] + 1);
        bv_tree_differences_free(&found);
    }
}

static void differences_beyond_the_limit_are_counted(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_tree_differences found = {0};
    assert_int_equal(mkdirat(d->fd, "a", 0700), 0);
    assert_int_equal(mkdirat(d->fd, "b", 0700), 0);
    for (int i = 0; i < 9; i++) {
        char name[] = {'b', '/', (char)('1' + i), '\0'};
        put_text(d->fd, name, "");
    }
    compare(d, 2, &found);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.total, 9);
    assert_string_equal(found.list[0].path, "1");
    bv_tree_differences_free(&found);
}

static void what_is_ignored_may_differ(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_tree_differences found = {0};
    char log[] = "*.log", sub[] = "sub/*", *ignore[] = {log, sub, NULL};
    assert_int_equal(mkdirat(d->fd, "a", 0700), 0);
    assert_int_equal(mkdirat(d->fd, "b", 0700), 0);
    assert_int_equal(mkdirat(d->fd, "a/sub", 0700), 0);
    assert_int_equal(mkdirat(d->fd, "b/sub", 0700), 0);
    put_text(d->fd, "a/x.log", "1");
    put_text(d->fd, "b/x.log", "2");
    put_text(d->fd, "b/only.log", "2");
    put_text(d->fd, "a/sub/only", "1");
    put_text(d->fd, "b/other", "2");
    autoclose int a = open_at(d->fd, "a"), b = open_at(d->fd, "b");
    assert_ok(bv_tree_compare(a, b, &(struct bv_tree_compare){.max = 9, .ignore = ignore}, &found, &err));
    assert_int_equal(found.total, 1);
    assert_string_equal(found.list[0].path, "other");
    bv_tree_differences_free(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tmpdir_test(a_copy_is_the_same),
        tmpdir_test(a_directory_that_is_skipped_is_left_out),
        tmpdir_test(a_tree_that_is_too_large_is_refused),
        tmpdir_test(a_copy_can_be_interrupted),
        tmpdir_test(a_file_that_may_not_be_read_is_named),
        tmpdir_test(a_tree_that_is_too_deep_is_refused),
        tmpdir_test(each_difference_is_told),
        tmpdir_test(a_late_difference_is_found_where_it_is),
        tmpdir_test(differences_beyond_the_limit_are_counted),
        tmpdir_test(what_is_ignored_may_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
