/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into a generation comes out of it, and only what was committed exists. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store_fixture.h"

#define MIB (1u << 20)

static void random_bytes_of_every_awkward_size_come_back(void **state)
{
    static const size_t sizes[] = {1, 4095, 4096, 4097, 65536, MIB - 1, MIB, MIB + 1, 3 * MIB + 5000};
    struct fixture *f = *state;
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    autofree uint8_t *bytes = bv_alloc(4 * MIB);
    char name[32];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill_random(bytes, sizes[i], i);
        snprintf(name, sizeof(name), "images/%zu", i);
        add_stream(w, name, bytes, sizes[i]);
    }
    commit_generation(&f->job, w, 1, 0);

    autogen struct bv_gen *g = open_generation(&f->job, 1);
    assert_int_equal(bv_gen_stream_count(g), sizeof(sizes) / sizeof(sizes[0]));
    assert_ok(bv_gen_verify(g, &err));
    for (size_t i = sizeof(sizes) / sizeof(sizes[0]); i-- > 0;) {
        fill_random(bytes, sizes[i], i);
        snprintf(name, sizeof(name), "images/%zu", i);
        assert_stream(g, name, bytes, sizes[i]);
    }
}

static void an_empty_stream_and_an_empty_generation_are_fine(void **state)
{
    struct fixture *f = *state;
    commit_generation(&f->job, begin_generation(&f->job, 1, 0), 1, 0);
    struct bv_gen_writer *w = begin_generation(&f->job, 2, 0);
    add_stream(w, "empty", "", 0);
    commit_generation(&f->job, w, 2, 0);

    autogen struct bv_gen *none = open_generation(&f->job, 1);
    assert_int_equal(bv_gen_stream_count(none), 0);
    assert_ok(bv_gen_verify(none, &err));
    autogen struct bv_gen *empty = open_generation(&f->job, 2);
    assert_stream(empty, "empty", "", 0);
    assert_ok(bv_gen_verify(empty, &err));
}

static void zero_pages_are_not_stored_and_come_back_as_holes(void **state)
{
    struct fixture *f = *state;
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    autofree uint8_t *bytes = bv_alloc(8 * MIB);
    for (size_t i = 0; i < 8 * MIB; i += 16 * 4096) /* one page in 16 */
        fill_random(bytes + i, 4096, i);
    add_stream(w, "memory", bytes, 8 * MIB);
    struct bv_gen_stats s = commit_generation(&f->job, w, 1, 0);
    assert_int_equal(s.raw_bytes, 8 * MIB);
    assert_int_equal(s.zero_bytes, 8 * MIB / 16 * 15);
    assert_in_range(s.stored_bytes, MIB / 2, MIB / 2 + 16384);

    autogen struct bv_gen *g = open_generation(&f->job, 1);
    assert_stream(g, "memory", bytes, 8 * MIB);
    autoclose int fd = memfd_create("copy", MFD_CLOEXEC);
    struct stat st;
    assert_ok(bv_gen_stream_copy(g, 0, fd, &err));
    assert_int_equal(fstat(fd, &st), 0);
    assert_in_range(st.st_blocks * 512, MIB / 2, MIB);
}

static void a_sparse_file_of_a_tebibyte_costs_what_its_data_cost(void **state)
{
    struct fixture *f = *state;
    uint64_t size = 1ull << 40;
    autoclose int sparse = memfd_create("sparse", MFD_CLOEXEC);
    assert_int_equal(ftruncate(sparse, (off_t)size), 0);
    assert_int_equal(bv_pwrite_full(sparse, "middle", 6, (off_t)(size / 2 + 100)), 0);
    assert_int_equal(bv_pwrite_full(sparse, "end", 3, (off_t)size - 3), 0);

    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    assert_ok(bv_gen_writer_add(w, "sparse", sparse, size, &err));
    struct bv_gen_stats s = commit_generation(&f->job, w, 1, 0);
    assert_in_range(s.stored_bytes, 1, 4096);

    autogen struct bv_gen *g = open_generation(&f->job, 1);
    autoclose int copy = memfd_create("copy", MFD_CLOEXEC);
    char text[8] = "";
    assert_ok(bv_gen_stream_copy(g, 0, copy, &err));
    assert_int_equal(lseek(copy, 0, SEEK_END), size);
    assert_int_equal(pread(copy, text, 6, (off_t)(size / 2 + 100)), 6);
    assert_string_equal(text, "middle");
    assert_int_equal(pread(copy, text, 6, (off_t)size - 3), 3);
    assert_memory_equal(text, "end", 3);
}

static void text_is_compressed(void **state)
{
    static const char words[] = "the quick brown fox ";
    struct fixture *f = *state;
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    autofree uint8_t *bytes = bv_alloc(4 * MIB);
    for (size_t i = 0; i < 4 * MIB; i++)
        bytes[i] = (uint8_t)words[i % 20];
    add_stream(w, "text", bytes, 4 * MIB);
    struct bv_gen_stats s = commit_generation(&f->job, w, 1, 0);
    assert_in_range(s.stored_bytes, 1, 64 * 1024);
    autogen struct bv_gen *g = open_generation(&f->job, 1);
    assert_stream(g, "text", bytes, 4 * MIB);
}

static void numbers_are_compressed(void **state)
{
    struct fixture *f = *state;
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    size_t size = 2 * MIB + 5003; /* no whole number of words in the last block */
    autofree uint8_t *bytes = bv_alloc(size + 8);
    uint64_t seed = 5;
    for (size_t at = 0; at < size; at += sizeof(double)) {
        double x = 1e3 + (double)at / 1e6 + 1e-9 * next_random(&seed);
        memcpy(bytes + at, &x, sizeof(x));
    }
    add_stream(w, "field", bytes, size);
    struct bv_gen_stats s = commit_generation(&f->job, w, 1, 0);
    assert_in_range(s.stored_bytes, 1, size / 10 * 8);
    autogen struct bv_gen *g = open_generation(&f->job, 1);
    assert_stream(g, "field", bytes, size);
}

static void two_thousand_small_streams_share_blocks(void **state)
{
    struct fixture *f = *state;
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    char name[32], text[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "files/%d", i);
        snprintf(text, sizeof(text), "this is file number %d", i);
        add_stream(w, name, text, strlen(text));
    }
    struct bv_gen_stats s = commit_generation(&f->job, w, 1, 0);
    assert_int_equal(s.streams, 2000);
    autogen struct bv_gen *g = open_generation(&f->job, 1);
    for (int i = 0; i < 2000; i += 7) {
        snprintf(name, sizeof(name), "files/%d", i);
        snprintf(text, sizeof(text), "this is file number %d", i);
        assert_stream(g, name, text, strlen(text));
    }
    assert_int_equal(bv_gen_find(g, "files/2000"), -1);
}

static void the_content_comes_back_with_the_manifest(void **state)
{
    struct fixture *f = *state;
    commit_generation(&f->job, begin_generation(&f->job, 1, 0), 1, 0);
    autogen struct bv_gen *g = open_generation(&f->job, 1);
    assert_string_equal(json_string_value(json_object_get(bv_gen_content(g), "engine")), "none");
    assert_string_equal(json_string_value(json_object_get(bv_gen_manifest(g), "job")), "job-1");
}

static void a_stream_name_is_clean_relative_and_unique(void **state)
{
    static const char *const bad[] = {"", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\nb", "a\x7f", "\xc3\xa4"};
    struct fixture *f = *state;
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    autoclose int fd = file_of("x", 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(BV_EUSAGE, bv_gen_writer_add(w, bad[i], fd, 1, &err));
    char longest[258];
    memset(longest, 'n', 256);
    longest[256] = '\0';
    assert_fails(BV_EUSAGE, bv_gen_writer_add(w, longest, fd, 1, &err));
    assert_ok(bv_gen_writer_add(w, longest + 1, fd, 1, &err));
    assert_ok(bv_gen_writer_add(w, "...", fd, 1, &err));
    assert_fails(BV_EUSAGE, bv_gen_writer_add(w, "...", fd, 1, &err));
    commit_generation(&f->job, w, 1, 0);
}

static void a_file_that_is_too_short_spoils_the_generation(void **state)
{
    struct fixture *f = *state;
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    autoclose int fd = file_of("short", 5);
    assert_fails(BV_ECHANGED, bv_gen_writer_add(w, "f", fd, 6, &err));
    assert_fails(BV_ECHANGED, bv_gen_writer_add(w, "g", fd, 5, &err));
    assert_fails(BV_ECHANGED, bv_gen_writer_finish(w, NULL, NULL, &err));
    bv_gen_writer_close(w);
    assert_int_equal(faccessat(f->job.dirfd, ".000001.0000", F_OK, 0), -1);
}

static void what_is_not_committed_does_not_exist(void **state)
{
    struct fixture *f = *state;
    struct bv_gen *g = NULL;
    unsigned *numbers = NULL;
    size_t count = 1;
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 3);
    assert_fails(BV_ESTORE, bv_generation_commit(&f->job, 1, 3, &err));
    assert_ok(bv_gen_writer_finish(w, NULL, NULL, &err));
    bv_gen_writer_close(w);
    assert_ok(bv_generation_list(&f->job, &numbers, &count, &err));
    assert_int_equal(count, 0);
    free(numbers);
    assert_fails(BV_ENOJOB, bv_gen_open(&f->job, 1, &g, &err));

    assert_ok(bv_generation_commit(&f->job, 1, 3, &err));
    assert_ok(bv_gen_open(&f->job, 1, &g, &err));
    bv_gen_close(g);
    assert_fails(BV_ESTORE, bv_generation_commit(&f->job, 1, 3, &err));
}

static void a_number_is_committed_once(void **state)
{
    struct fixture *f = *state;
    commit_generation(&f->job, begin_generation(&f->job, 1, 0), 1, 0);
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 1);
    assert_ok(bv_gen_writer_finish(w, NULL, NULL, &err));
    bv_gen_writer_close(w);
    assert_fails(BV_EBUSY, bv_generation_commit(&f->job, 1, 1, &err));
    assert_ok(bv_generation_discard(&f->job, 1, 1, &err));
    assert_ok(bv_generation_discard(&f->job, 1, 1, &err));
}

static void a_number_is_never_given_out_again(void **state)
{
    struct fixture *f = *state;
    unsigned next = 0;
    assert_ok(bv_generation_next(&f->job, &next, &err));
    assert_int_equal(next, 1);
    commit_generation(&f->job, begin_generation(&f->job, 7, 0), 7, 0);
    assert_ok(bv_generation_delete(&f->job, 7, &err));
    assert_fails(BV_ENOJOB, bv_generation_delete(&f->job, 7, &err));
    assert_ok(bv_generation_next(&f->job, &next, &err));
    assert_int_equal(next, 8);
    struct bv_gen_writer *w = begin_generation(&f->job, 8, 0);
    assert_ok(bv_generation_next(&f->job, &next, &err));
    assert_int_equal(next, 9);
    bv_gen_writer_close(w);
    assert_ok(bv_generation_next(&f->job, &next, &err));
    assert_int_equal(next, 8);
}

static void a_deletion_that_was_interrupted_is_finished_by_the_next(void **state)
{
    struct fixture *f = *state;
    commit_generation(&f->job, begin_generation(&f->job, 1, 0), 1, 0);
    commit_generation(&f->job, begin_generation(&f->job, 2, 0), 2, 0);
    assert_int_equal(renameat(f->job.dirfd, "000001", f->job.dirfd, ".deleted-000001"), 0);
    assert_ok(bv_generation_delete(&f->job, 2, &err));
    assert_int_equal(faccessat(f->job.dirfd, ".deleted-000001", F_OK, 0), -1);
    assert_int_equal(faccessat(f->job.dirfd, "000002", F_OK, 0), -1);
}

static void a_sweep_removes_only_what_older_attempts_left(void **state)
{
    struct fixture *f = *state;
    int fd = -1;
    assert_ok(bv_staging_create(&f->job, 1, &fd, &err));
    close_fd(&fd);
    assert_ok(bv_staging_create(&f->job, 2, &fd, &err));
    close_fd(&fd);
    assert_int_equal(mkdirat(f->job.dirfd, ".000005.0001", 0700), 0);
    assert_int_equal(mkdirat(f->job.dirfd, ".000006.0002", 0700), 0);
    assert_int_equal(mkdirat(f->job.dirfd, ".000006.2", 0700), 0);
    commit_generation(&f->job, begin_generation(&f->job, 4, 0), 4, 0);
    assert_ok(bv_job_sweep(&f->job, 2, &err));
    assert_int_equal(faccessat(f->job.dirfd, ".staging-0001", F_OK, 0), -1);
    assert_int_equal(faccessat(f->job.dirfd, ".000005.0001", F_OK, 0), -1);
    assert_int_equal(faccessat(f->job.dirfd, ".staging-0002", F_OK, 0), 0);
    assert_int_equal(faccessat(f->job.dirfd, ".000006.0002", F_OK, 0), 0);
    assert_int_equal(faccessat(f->job.dirfd, ".000006.2", F_OK, 0), 0);
    assert_int_equal(faccessat(f->job.dirfd, "000004", F_OK, 0), 0);
    assert_ok(bv_staging_remove(&f->job, 2, &err));
    assert_ok(bv_staging_remove(&f->job, 2, &err));
}

/* In a child: the limit must not stay with the other tests. Exits with the error's code, or 99. */
static int write_under_a_limit(struct fixture *f, rlim_t bytes, char *ret_text, size_t room)
{
    int pipefd[2];
    assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct bv_error err = {0};
        struct bv_gen_writer *w = NULL;
        autofree uint8_t *raw = bv_alloc(8 * MIB);
        fill_random(raw, 8 * MIB, 1);
        int fd = file_of(raw, 8 * MIB);
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, bytes});
        if (bv_gen_writer_open(&f->job, 7, 0, NULL, &w, &err) == 0 &&
            bv_gen_writer_add(w, "memory", fd, 8 * MIB, &err) == 0 && bv_gen_writer_finish(w, NULL, NULL, &err) == 0)
            _exit(99);
        bv_gen_writer_close(w);
        _exit(bv_write_full(pipefd[1], err.text, strlen(err.text)) < 0 ? 98 : (int)err.code);
    }
    close(pipefd[1]);
    ssize_t n = bv_read_full(pipefd[0], ret_text, room - 1);
    close(pipefd[0]);
    ret_text[n > 0 ? n : 0] = '\0';
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void running_out_of_room_says_how_much_is_missing_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char text[512];
    assert_int_equal(write_under_a_limit(f, 2 * MIB, text, sizeof(text)), BV_ENOSPACE);
    assert_non_null(strstr(text, "generation 7 of job job-1"));
    assert_non_null(strstr(text, "MiB more"));
    assert_int_equal(faccessat(f->job.dirfd, ".000007.0000", F_OK, 0), -1);
}

static int write_proc(const char *name, const char *text)
{
    autoclose int fd = open(name, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -1 : bv_write_full(fd, text, strlen(text));
}

/* Become root of a user namespace with a tmpfs of 4 MiB on `dir`. -1 where an ordinary user may not. */
static int enter_small_file_system(const char *dir)
{
    char users[64], groups[64];
    snprintf(users, sizeof(users), "0 %d 1", (int)geteuid());
    snprintf(groups, sizeof(groups), "0 %d 1", (int)getegid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || write_proc("/proc/self/setgroups", "deny") < 0 ||
        write_proc("/proc/self/uid_map", users) < 0 || write_proc("/proc/self/gid_map", groups) < 0)
        return -1;
    return mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=0700");
}

static void a_full_file_system_says_what_is_needed_and_what_is_free(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct bv_store s = {0};
        struct bv_job j = {0};
        struct bv_gen_writer *w = NULL;
        struct bv_error err = {0};
        autofree uint8_t *raw = bv_alloc(8 * MIB);
        autojson json_t *record = json_object();
        struct bv_gen_options options = {.expected_bytes = 3ull << 30};
        fill_random(raw, 8 * MIB, 1);
        int fd = file_of(raw, 8 * MIB);
        if (enter_small_file_system(f->dir) < 0)
            _exit(77);
        if (bv_store_open(f->dir, 1, &s, &err) < 0 || bv_job_create(&s, "job-1", record, &j, &err) < 0 ||
            bv_gen_writer_open(&j, 7, 0, &options, &w, &err) < 0 ||
            (bv_gen_writer_add(w, "memory", fd, 8 * MIB, &err) == 0 && bv_gen_writer_finish(w, NULL, NULL, &err) == 0))
            _exit(98);
        bv_gen_writer_close(w);
        if (strncmp(err.text, "no space left: writing generation 7 of job job-1 needs about 3.0 GiB more, ", 75) != 0 ||
            !strstr(err.text, " are free") || faccessat(j.dirfd, ".000007.0000", F_OK, 0) == 0)
            _exit(99);
        _exit((int)err.code);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), BV_ENOSPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(random_bytes_of_every_awkward_size_come_back),
        store_test(an_empty_stream_and_an_empty_generation_are_fine),
        store_test(zero_pages_are_not_stored_and_come_back_as_holes),
        store_test(a_sparse_file_of_a_tebibyte_costs_what_its_data_cost),
        store_test(text_is_compressed),
        store_test(numbers_are_compressed),
        store_test(two_thousand_small_streams_share_blocks),
        store_test(the_content_comes_back_with_the_manifest),
        store_test(a_stream_name_is_clean_relative_and_unique),
        store_test(a_file_that_is_too_short_spoils_the_generation),
        store_test(what_is_not_committed_does_not_exist),
        store_test(a_number_is_committed_once),
        store_test(a_number_is_never_given_out_again),
        store_test(a_deletion_that_was_interrupted_is_finished_by_the_next),
        store_test(a_sweep_removes_only_what_older_attempts_left),
        store_test(a_full_file_system_says_what_is_needed_and_what_is_free),
        store_test(running_out_of_room_says_how_much_is_missing_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
