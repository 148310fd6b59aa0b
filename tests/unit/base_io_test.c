/* SPDX-License-Identifier: Apache-2.0 */
#include "tmpdir.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static size_t entries(int dirfd)
{
    size_t n = 0;
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclosedir DIR *dir = fdopendir(fd);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    return n;
}

static void a_published_file_has_its_bytes_and_is_its_owner_s_alone(void **state)
{
    const struct tmpdir *d = *state;
    struct stat st;
    mode_t old = umask(0);
    assert_ok(bv_publish(d->fd, "f", "a\0b", 3, 0, &err));
    umask(old);
    assert_int_equal(fstatat(d->fd, "f", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_nlink, 1);
    autofree char *text = NULL;
    size_t size;
    assert_ok(bv_read_file(d->fd, "f", 3, &text, &size, &err));
    assert_int_equal(size, 3);
    assert_memory_equal(text, "a\0b", 4);
    assert_int_equal(entries(d->fd), 1);
}

static void an_exclusive_publication_does_not_touch_what_is_there(void **state)
{
    const struct tmpdir *d = *state;
    assert_ok(bv_publish(d->fd, "f", "first", 5, 0, &err));
    assert_fails_saying(BV_EBUSY, "f", bv_publish(d->fd, "f", "second", 6, 0, &err));
    assert_text(d->fd, "f", "first");
    assert_int_equal(entries(d->fd), 1);
}

static void an_exclusive_publication_is_not_fooled_by_a_link(void **state)
{
    const struct tmpdir *d = *state;
    assert_int_equal(symlinkat("elsewhere", d->fd, "f"), 0);
    assert_fails(BV_EBUSY, bv_publish(d->fd, "f", "x", 1, 0, &err));
    assert_missing(d->fd, "elsewhere");
    assert_int_equal(entries(d->fd), 1);
}

static void a_replacing_publication_takes_the_place_of_file_and_link(void **state)
{
    const struct tmpdir *d = *state;
    put_text(d->fd, "target", "safe");
    assert_int_equal(symlinkat("target", d->fd, "f"), 0);
    assert_ok(bv_publish(d->fd, "f", "one", 3, 1, &err));
    assert_ok(bv_publish(d->fd, "f", "three", 5, 1, &err));
    assert_text(d->fd, "f", "three");
    assert_text(d->fd, "target", "safe");
    assert_int_equal(entries(d->fd), 2);
}

static void only_one_of_many_exclusive_publishers_wins(void **state)
{
    const struct tmpdir *d = *state;
    enum { MANY = 8 };
    pid_t pid[MANY];
    int winner = -1;
    for (int i = 0; i < MANY; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            char digit = (char)('0' + i);
            _exit(bv_publish(d->fd, "f", &digit, 1, 0, NULL) == 0);
        }
    }
    for (int i = 0; i < MANY; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        if (WEXITSTATUS(status)) {
            assert_int_equal(winner, -1);
            winner = i;
        }
    }
    char expected[2] = {(char)('0' + winner), '\0'};
    assert_text(d->fd, "f", expected);
    assert_int_equal(entries(d->fd), 1);
}

static void a_reader_never_sees_a_part(void **state)
{
    const struct tmpdir *d = *state;
    const size_t size = 300000;
    autofree char *bytes = bv_alloc(size);
    memset(bytes, 'a', size);
    assert_ok(bv_publish(d->fd, "f", bytes, size, 1, &err));
    pid_t pid = fork();
    if (pid == 0)
        for (char c = 'b';; c = c == 'z' ? 'a' : (char)(c + 1)) {
            memset(bytes, c, size);
            if (bv_publish(d->fd, "f", bytes, size, 1, NULL) < 0)
                _exit(1);
        }
    for (int i = 0; i < 200; i++) {
        autofree char *text = NULL;
        size_t got;
        assert_ok(bv_read_file(d->fd, "f", size, &text, &got, &err));
        assert_int_equal(got, size);
        assert_int_equal(strspn(text, (char[]){text[0], '\0'}), size);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void a_publication_that_fails_leaves_the_earlier_one_and_no_litter(void **state)
{
    const struct tmpdir *d = *state;
    static char bytes[8192];
    assert_ok(bv_publish(d->fd, "f", "old", 3, 1, &err));
    pid_t pid = fork();
    if (pid == 0) {
        struct bv_error err = {0};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 4096, .rlim_max = 4096});
        _exit(bv_publish(d->fd, "f", bytes, sizeof(bytes), 1, &err) < 0 && strstr(err.text, "cannot write f") ? err.code
                                                                                                              : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), BV_ESTORE);
    assert_text(d->fd, "f", "old");
    assert_int_equal(entries(d->fd), 1);
}

static void a_file_larger_than_allowed_is_refused_unread(void **state)
{
    const struct tmpdir *d = *state;
    char *text = (char *)"untouched";
    put_text(d->fd, "f", "12345");
    assert_fails_saying(BV_ECORRUPT, "more than the 4 allowed", bv_read_file(d->fd, "f", 4, &text, NULL, &err));
    assert_string_equal(text, "untouched");
    assert_ok(bv_read_file(d->fd, "f", 5, &text, NULL, &err));
    assert_string_equal(text, "12345");
    free(text);
}

static void what_is_no_regular_file_is_not_read(void **state)
{
    const struct tmpdir *d = *state;
    char *text = NULL;
    put_text(d->fd, "f", "x");
    assert_int_equal(symlinkat("f", d->fd, "link"), 0);
    assert_int_equal(mkfifoat(d->fd, "fifo", 0600), 0);
    assert_int_equal(mkdirat(d->fd, "dir", 0700), 0);
    assert_fails_saying(BV_ESTORE, "link", bv_read_file(d->fd, "link", 9, &text, NULL, &err));
    assert_fails_saying(BV_ECORRUPT, "regular", bv_read_file(d->fd, "fifo", 9, &text, NULL, &err));
    assert_fails_saying(BV_ECORRUPT, "regular", bv_read_file(d->fd, "dir", 9, &text, NULL, &err));
    assert_fails_saying(BV_ENOJOB, "none", bv_read_file(d->fd, "none", 9, &text, NULL, &err));
    assert_int_equal(fchmodat(d->fd, "f", 0, 0), 0);
    if (geteuid() != 0)
        assert_fails_saying(BV_EDENIED, "f", bv_read_file(d->fd, "f", 9, &text, NULL, &err));
    assert_null(text);
}

static void an_empty_file_reads_as_an_empty_string(void **state)
{
    const struct tmpdir *d = *state;
    autofree char *text = NULL;
    size_t size = 7;
    put_text(d->fd, "f", "");
    assert_ok(bv_read_file(d->fd, "f", 0, &text, &size, &err));
    assert_string_equal(text, "");
    assert_int_equal(size, 0);
}

static void a_kernel_file_is_read_whole_although_it_has_no_size(void **state)
{
    (void)state;
    autofree char *status = bv_read_proc(AT_FDCWD, "/proc/self/status", 1 << 16);
    assert_non_null(status);
    assert_non_null(strstr(status, "\nPid:"));
    assert_null(bv_read_proc(AT_FDCWD, "/proc/self/status", 10));
    assert_int_equal(errno, EFBIG);
    assert_null(bv_read_proc(AT_FDCWD, "/proc/self/nothing", 10));
    assert_int_equal(errno, ENOENT);
}

static void a_short_read_means_the_end_of_the_file(void **state)
{
    (void)state;
    int ends[2];
    char buf[16] = "";
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 5; i++) {
            usleep(2000);
            if (bv_write_full(ends[1], "ab", 2) < 0)
                _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(bv_read_full(ends[0], buf, sizeof(buf)), 10);
    assert_string_equal(buf, "ababababab");
    assert_int_equal(bv_read_full(ends[0], buf, sizeof(buf)), 0);
    close(ends[0]);
    waitpid(pid, NULL, 0);
    assert_int_equal(bv_read_full(-1, buf, 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(bv_write_full(-1, buf, 1), -1);
    assert_int_equal(bv_pread_full(-1, buf, 1, 0), -1);
    assert_int_equal(bv_pwrite_full(-1, buf, 1, 0), -1);
}

/* 64 KiB of data in the middle of 8 MiB of nothing. */
static int sparse_file(int dirfd, const char *name, off_t size, off_t at)
{
    static char bytes[65536];
    int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(bv_pwrite_full(fd, bytes, sizeof(bytes), at), 0);
    return fd;
}

static void a_copy_has_the_bytes_and_the_holes_of_the_original(void **state)
{
    const struct tmpdir *d = *state;
    const off_t size = 8 << 20;
    struct stat st;
    autoclose int from = sparse_file(d->fd, "from", size, 4 << 20);
    autoclose int to = openat(d->fd, "to", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(bv_copy_file(from, to, size, NULL), 0);
    assert_int_equal(fstat(to, &st), 0);
    assert_int_equal(st.st_size, size);
    assert_true(st.st_blocks * 512 < 1 << 20);
    autofree char *a = bv_alloc((size_t)size), *b = bv_alloc((size_t)size);
    assert_int_equal(bv_pread_full(from, a, (size_t)size, 0), size);
    assert_int_equal(bv_pread_full(to, b, (size_t)size, 0), size);
    assert_memory_equal(a, b, size);
}

static void a_copy_ends_where_it_is_told_to(void **state)
{
    const struct tmpdir *d = *state;
    autoclose int from = sparse_file(d->fd, "from", 8 << 20, 0);
    autoclose int to = openat(d->fd, "to", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int reflinked = 77;
    put_text(d->fd, "to", "what was there and is longer than the copy");
    assert_int_equal(bv_copy_file(from, to, 3, &reflinked), 0);
    assert_true(reflinked == 0 || reflinked == 1);
    assert_text(d->fd, "to", "xxx");
    assert_int_equal(bv_copy_file(from, to, 0, NULL), 0);
    assert_text(d->fd, "to", "");
}

static void a_copy_between_file_systems_is_made_by_hand(void **state)
{
    const struct tmpdir *d = *state;
    autoclose int from = sparse_file(d->fd, "from", 3 << 20, 12345);
    autoclose int to = memfd_create("to", MFD_CLOEXEC);
    autofree char *a = bv_alloc(3 << 20), *b = bv_alloc(3 << 20);
    assert_int_equal(bv_copy_file(from, to, 3 << 20, NULL), 0);
    assert_int_equal(bv_pread_full(from, a, 3 << 20, 0), 3 << 20);
    assert_int_equal(bv_pread_full(to, b, 3 << 20, 0), 3 << 20);
    assert_memory_equal(a, b, 3 << 20);
}

static void a_copy_of_a_file_that_is_too_short_is_no_copy(void **state)
{
    const struct tmpdir *d = *state;
    autoclose int to = openat(d->fd, "to", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(bv_copy_file(ends[0], to, 10, NULL), -1);
    close(ends[0]);
    close(ends[1]);
}

static void a_tree_is_removed_without_following_its_links(void **state)
{
    const struct tmpdir *d = *state;
    assert_int_equal(mkdirat(d->fd, "keep", 0700), 0);
    put_text(d->fd, "keep/me", "kept");
    assert_int_equal(mkdirat(d->fd, "tree", 0700), 0);
    assert_int_equal(mkdirat(d->fd, "tree/sub", 0700), 0);
    put_text(d->fd, "tree/sub/file", "x");
    assert_int_equal(symlinkat("../keep", d->fd, "tree/to-dir"), 0);
    assert_int_equal(symlinkat("../../keep/me", d->fd, "tree/sub/to-file"), 0);
    assert_int_equal(symlinkat("nowhere", d->fd, "tree/dangling"), 0);
    assert_int_equal(mkfifoat(d->fd, "tree/fifo", 0600), 0);
    assert_ok(bv_remove_tree(d->fd, "tree", &err));
    assert_missing(d->fd, "tree");
    assert_text(d->fd, "keep/me", "kept");
}

static void a_link_to_a_tree_is_removed_and_the_tree_is_not(void **state)
{
    const struct tmpdir *d = *state;
    assert_int_equal(mkdirat(d->fd, "keep", 0700), 0);
    put_text(d->fd, "keep/me", "kept");
    assert_int_equal(symlinkat("keep", d->fd, "link"), 0);
    assert_ok(bv_remove_tree(d->fd, "link", &err));
    assert_missing(d->fd, "link");
    assert_text(d->fd, "keep/me", "kept");
}

static void what_is_not_there_is_removed_already(void **state)
{
    const struct tmpdir *d = *state;
    put_text(d->fd, "f", "x");
    assert_ok(bv_remove_tree(d->fd, "f", &err));
    assert_ok(bv_remove_tree(d->fd, "f", &err));
    assert_ok(bv_remove_tree(d->fd, "no/such/place", &err));
}

static void a_tree_nested_deeply_is_removed(void **state)
{
    const struct tmpdir *d = *state;
    autoclose int at = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct rlimit all, few;
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mkdirat(at, "a-directory", 0700), 0);
        if (i > 0)
            assert_int_equal(mkdirat(at, i % 2 ? ".lifted-1" : "empty", 0500), 0); /* may be removed, not moved */
        int sub = openat(at, "a-directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(sub >= 0);
        close(at);
        at = sub;
    }
    put_text(at, "f", "x");
    assert_int_equal(mkdirat(d->fd, "a-directory/.lifted-0", 0700), 0);
    put_text(d->fd, "a-directory/.lifted-0/f", "x");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    few = (struct rlimit){.rlim_cur = 24, .rlim_max = all.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_ok(bv_remove_tree(d->fd, "a-directory", &err));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    assert_int_equal(entries(d->fd), 0);
}

static void what_cannot_be_removed_is_named(void **state)
{
    const struct tmpdir *d = *state;
    if (geteuid() == 0)
        skip();
    assert_int_equal(mkdirat(d->fd, "tree", 0700), 0);
    assert_int_equal(mkdirat(d->fd, "tree/sub", 0700), 0);
    put_text(d->fd, "tree/sub/file", "x");
    assert_int_equal(fchmodat(d->fd, "tree/sub", 0500, 0), 0);
    assert_fails_saying(BV_ESTORE, "sub: cannot remove file: Perm", bv_remove_tree(d->fd, "tree", &err));
    assert_int_equal(fchmodat(d->fd, "tree/sub", 0700, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tmpdir_test(a_published_file_has_its_bytes_and_is_its_owner_s_alone),
        tmpdir_test(an_exclusive_publication_does_not_touch_what_is_there),
        tmpdir_test(an_exclusive_publication_is_not_fooled_by_a_link),
        tmpdir_test(a_replacing_publication_takes_the_place_of_file_and_link),
        tmpdir_test(only_one_of_many_exclusive_publishers_wins),
        tmpdir_test(a_reader_never_sees_a_part),
        tmpdir_test(a_publication_that_fails_leaves_the_earlier_one_and_no_litter),
        tmpdir_test(a_file_larger_than_allowed_is_refused_unread),
        tmpdir_test(what_is_no_regular_file_is_not_read),
        tmpdir_test(an_empty_file_reads_as_an_empty_string),
        tmpdir_test(a_kernel_file_is_read_whole_although_it_has_no_size),
        tmpdir_test(a_short_read_means_the_end_of_the_file),
        tmpdir_test(a_copy_has_the_bytes_and_the_holes_of_the_original),
        tmpdir_test(a_copy_ends_where_it_is_told_to),
        tmpdir_test(a_copy_between_file_systems_is_made_by_hand),
        tmpdir_test(a_copy_of_a_file_that_is_too_short_is_no_copy),
        tmpdir_test(a_tree_is_removed_without_following_its_links),
        tmpdir_test(a_link_to_a_tree_is_removed_and_the_tree_is_not),
        tmpdir_test(what_is_not_there_is_removed_already),
        tmpdir_test(a_tree_nested_deeply_is_removed),
        tmpdir_test(what_cannot_be_removed_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
