/* SPDX-License-Identifier: Apache-2.0 */
#include "job_rollback_fixture.h"

#include <sys/xattr.h>

#include "job/xattr.h"

/* What only the kernel may set is not set on the word of a checkpoint. */
static void attributes_come_back_and_only_those_of_the_user(void **state)
{
    struct files_fixture *f = *state;
    char value[8] = "";
    static const char bytes[] = {'a', 0, 'b'};
    put_text(f->work, "log", "one\n");
    autoclose int fd = openat(f->work, "log", O_RDWR | O_CLOEXEC);
    assert_int_equal(fsetxattr(fd, "user.100% kind", bytes, 3, 0), 0);
    capture_opened(f, {"log", O_WRONLY | O_APPEND, 0, 0, 0});
    assert_int_equal(unlinkat(f->work, "log", 0), 0);
    autojson json_t *kept = rolled_back(f);
    autoclose int again = openat(f->work, "log", O_RDWR | O_CLOEXEC);
    assert_int_equal(fgetxattr(again, "user.100% kind", value, sizeof(value)), 3);
    assert_memory_equal(value, bytes, 3);

    static const char *const hostile[] = {"{\"trusted.x\": \"00\"}", "{\"user.x\": \"0\"}", "{\"user.x\": \"0g\"}",
                                          "{\"user.x\": 1}", "[]"};
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        autojson json_t *saved = json_loads(hostile[i], 0, NULL);
        assert_fails_saying(BV_ECORRUPT, "not valid", bv_xattr_restore(again, saved, &err));
    }
    assert_ok(bv_xattr_restore(again, NULL, &err));
    assert_true(fgetxattr(again, "user.x", value, sizeof(value)) < 0);
    assert_true(fgetxattr(again, "user.100% kind", value, sizeof(value)) < 0);
}

/* Attributes and mode, of a file whose content is as it was. */
static void change_attributes(struct files_fixture *f, const char *name, mode_t mode)
{
    autoclose int fd = openat(f->work, name, O_RDWR | O_CLOEXEC);
    assert_int_equal(fsetxattr(fd, "user.state", "done", 4, 0), 0);
    assert_int_equal(fsetxattr(fd, "user.new", "x", 1, 0), 0);
    assert_int_equal(fchmod(fd, mode), 0);
}

static void assert_attributes(struct files_fixture *f, const char *name, mode_t mode)
{
    char value[16];
    struct stat st;
    autoclose int fd = openat(f->work, name, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fgetxattr(fd, "user.state", value, sizeof(value)), 5);
    assert_memory_equal(value, "begun", 5);
    assert_true(fgetxattr(fd, "user.new", value, sizeof(value)) < 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void begin_attributes(struct files_fixture *f, const char *name)
{
    put_text(f->work, name, "the same\n");
    autoclose int fd = openat(f->work, name, O_RDWR | O_CLOEXEC);
    assert_int_equal(fsetxattr(fd, "user.state", "begun", 5, 0), 0);
    assert_int_equal(fchmod(fd, 0640), 0);
}

static void attributes_come_back_where_the_content_is_the_same(void **state)
{
    struct files_fixture *f = *state;
    begin_attributes(f, "log");
    begin_attributes(f, "place");
    capture_opened(f, {"log", O_WRONLY | O_APPEND, 0, 0, 0}, {"place", O_RDWR, 0, 0, 0});
    change_attributes(f, "log", 0600);
    change_attributes(f, "place", 0600);
    autojson json_t *kept = rolled_back(f);
    assert_attributes(f, "log", 0640);
    assert_attributes(f, "place", 0640);
    assert_int_equal(json_array_size(kept), 0);
}

static void attributes_in_a_directory_come_back_where_the_content_is_the_same(void **state)
{
    struct files_fixture *f = *state;
    begin_attributes(f, "input");
    capture_work(f, NULL);
    change_attributes(f, "input", 0600);
    autojson json_t *kept = rolled_back(f);
    assert_attributes(f, "input", 0640);
}

static void time_of(struct files_fixture *f, const char *name, struct timespec *ret)
{
    struct stat st;
    assert_int_equal(fstatat(f->work, name, &st, 0), 0);
    *ret = st.st_mtim;
}

static void brought_again(struct files_fixture *f, const char *name, time_t when)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = when}};
    assert_int_equal(utimensat(f->work, name, times, 0), 0);
}

/* A scheduler that brings the files goes by their times: what it brought right is not its job's work. */
static void the_time_of_a_file_that_is_right_comes_back_unless_it_is_to_be_kept(void **state)
{
    struct files_fixture *f = *state;
    struct timespec before, after;
    json_t *kept = NULL;
    put_text(f->work, "input", "the same\n");
    put_text(f->work, "output", "one\n");
    capture_work(f, NULL);
    time_of(f, "input", &before);
    brought_again(f, "input", before.tv_sec + 100);
    put_text(f->work, "output", "two\n");
    assert_ok(put_back(f, BV_ROLLBACK_KEEP_TIMES, &kept, &err));
    json_decref(kept);
    time_of(f, "input", &after);
    assert_int_equal(after.tv_sec, before.tv_sec + 100);
    assert_text(f->work, "output", "one\n");

    autojson json_t *again = rolled_back(f);
    time_of(f, "input", &after);
    assert_int_equal(after.tv_sec, before.tv_sec);
    assert_int_equal(after.tv_nsec, before.tv_nsec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        files_test(attributes_come_back_where_the_content_is_the_same),
        files_test(attributes_in_a_directory_come_back_where_the_content_is_the_same),
        files_test(attributes_come_back_and_only_those_of_the_user),
        files_test(the_time_of_a_file_that_is_right_comes_back_unless_it_is_to_be_kept),
    };
    return cmocka_run_group_tests(tests, private_shm, NULL);
}
