/* SPDX-License-Identifier: Apache-2.0 */
#include "job_rollback_fixture.h"

#include "job/rollback_private.h"

#include <sys/sysmacros.h>

static void what_was_appended_since_is_cut_and_kept_aside(void **state)
{
    struct files_fixture *f = *state;
    static const int flags[] = {O_WRONLY | O_APPEND, O_WRONLY};
    for (int i = 0; i < 2; i++) {
        put_text(f->work, "log", "before\n");
        capture_opened(f, {"log", flags[i], -1, 0, 0});
        append_text(f->work, "log", "the lost future\n");
        autojson json_t *kept = rolled_back(f);
        assert_text(f->work, "log", "before\n");
        assert_kept(f, kept, "/data/log", "the lost future\n", "appended after the checkpoint");
        assert_int_equal(json_integer_value(json_object_get(json_array_get(kept, 0), "from")), 7);

        assert_ok(bv_remove_tree(f->staging, "files", &err));
        assert_ok(bv_remove_tree(f->staging, BV_CAPTURE_JSON, &err));
        assert_ok(bv_remove_tree(f->kept, "0001", &err));
        json_decref(steal_ptr(&f->captured));
    }
}

static void what_has_not_changed_is_not_touched(void **state)
{
    struct files_fixture *f = *state;
    static const char *const names[] = {"append", "end", "place", "read"};
    struct stat before[4], after;
    for (size_t i = 0; i < 4; i++)
        put_text(f->work, names[i], names[i]);
    capture_opened(f, {"append", O_WRONLY | O_APPEND, 0, 0, 0}, {"end", O_WRONLY, -1, 0, 0}, {"place", O_RDWR, 0, 0, 0},
                   {"read", O_RDONLY, 0, 0, 0});
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fstatat(f->work, names[i], &before[i], 0), 0);
    autojson json_t *kept = rolled_back(f);
    assert_int_equal(json_array_size(kept), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_text(f->work, names[i], names[i]);
        assert_int_equal(fstatat(f->work, names[i], &after, 0), 0);
        assert_int_equal(after.st_ino, before[i].st_ino);
        assert_memory_equal(&after.st_ctim, &before[i].st_ctim, sizeof(after.st_ctim));
    }
}

static void a_file_written_in_place_gets_its_content_back_in_the_same_inode(void **state)
{
    struct files_fixture *f = *state;
    struct stat before, after;
    put_text(f->work, "db", "the content at the freeze");
    assert_int_equal(fstatat(f->work, "db", &before, 0), 0);
    capture_opened(f, {"db", O_RDWR, 3, 0, 0});
    put_text(f->work, "db", "something else");
    assert_int_equal(fchmodat(f->work, "db", 0600, 0), 0);
    autojson json_t *kept = rolled_back(f);
    assert_text(f->work, "db", "the content at the freeze");
    assert_kept(f, kept, "/data/db", "something else", "changed since the checkpoint");
    assert_int_equal(fstatat(f->work, "db", &after, 0), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_memory_equal(&after.st_mtim, &before.st_mtim, sizeof(after.st_mtim));
}

static void a_file_that_is_gone_comes_back_with_its_directories(void **state)
{
    struct files_fixture *f = *state;
    struct stat st;
    assert_int_equal(mkdirat(f->work, "a", 0700), 0);
    assert_int_equal(mkdirat(f->work, "a/b", 0700), 0);
    static const char *const names[] = {"a/b/log", "a/b/db", "a/b/input"};
    for (int i = 0; i < 3; i++)
        put_text(f->work, names[i], names[i]);
    assert_int_equal(fchmodat(f->work, "a/b/log", 0640, 0), 0);
    capture_opened(f, {"a/b/log", O_WRONLY | O_APPEND, 0, 0, 0}, {"a/b/db", O_RDWR, 0, 0, 0},
                   {"a/b/input", O_RDONLY, 0, 0, 0});
    assert_ok(bv_remove_tree(f->work, "a", &err));
    autojson json_t *kept = rolled_back(f);
    for (int i = 0; i < 3; i++)
        assert_text(f->work, names[i], names[i]);
    assert_int_equal(fstatat(f->work, "a/b/log", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(json_array_size(kept), 0);
}

static void a_file_cut_or_rewritten_comes_back_where_its_content_is_kept(void **state)
{
    struct files_fixture *f = *state;
    put_text(f->work, "short", "0123456789");
    put_text(f->work, "other", "0123456789");
    capture_opened(f, {"short", O_WRONLY | O_APPEND, 0, 0, 0}, {"other", O_WRONLY, -1, 0, 0});
    put_text(f->work, "short", "0123");
    put_text(f->work, "other", "0x23456789 and more");
    autojson json_t *kept = rolled_back(f);
    assert_text(f->work, "short", "0123456789");
    assert_text(f->work, "other", "0123456789");
    assert_int_equal(json_array_size(kept), 2);
}

static off_t size_of(int dirfd, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(dirfd, name, &st, 0), 0);
    return st.st_size;
}

static void a_large_file_is_cut_by_its_sums_alone(void **state)
{
    struct files_fixture *f = *state;
    const off_t size = (off_t)BV_PUT_BACK_LIMIT + 100;
    put_large(f->work, "append", size);
    put_large(f->work, "end", size);
    capture_opened(f, {"append", O_WRONLY | O_APPEND, 0, 0, 0}, {"end", O_WRONLY, -1, 0, 0});
    append_text(f->work, "append", "future");
    append_text(f->work, "end", "future");
    autojson json_t *kept = rolled_back(f);
    assert_int_equal(size_of(f->work, "append"), size);
    assert_int_equal(size_of(f->work, "end"), size);
    assert_int_equal(json_array_size(kept), 2);
    assert_text(f->kept, "0001", "future");
    assert_text(f->kept, "0002", "future");
}

static void a_large_file_that_was_rewritten_is_refused_or_accepted(void **state)
{
    struct files_fixture *f = *state;
    const off_t size = (off_t)BV_PUT_BACK_LIMIT + 100;
    put_large(f->work, "end", size);
    capture_opened(f, {"end", O_WRONLY, -1, 0, 0});
    autoclose int fd = openat(f->work, "end", O_WRONLY | O_CLOEXEC);
    json_t *kept = NULL;

    assert_int_equal(bv_pwrite_full(fd, "X", 1, 0), 0); /* its head */
    assert_fails_saying(BV_ECHANGED, "/data/end was rewritten since", put_back(f, 0, &kept, &err));
    assert_int_equal(bv_pwrite_full(fd, "\0", 1, 0), 0);
    assert_int_equal(bv_pwrite_full(fd, "X", 1, size - 1), 0); /* its tail */
    assert_fails_saying(BV_ECHANGED, "/data/end was rewritten since", put_back(f, 0, &kept, &err));
    assert_int_equal(ftruncate(fd, size - 1), 0);
    assert_fails_saying(BV_ECHANGED, "/data/end is shorter than", put_back(f, 0, &kept, &err));
    assert_null(kept);
    assert_ok(put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
    assert_int_equal(size_of(f->work, "end"), size - 1);
    json_decref(kept);
}

static void a_large_file_that_is_gone_is_refused(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    put_large(f->work, "end", (off_t)BV_PUT_BACK_LIMIT + 100);
    capture_opened(f, {"end", O_WRONLY, -1, 0, 0});
    assert_int_equal(unlinkat(f->work, "end", 0), 0);
    assert_fails_saying(BV_ECHANGED, "/data/end is gone", put_back(f, 0, &kept, &err));
    assert_missing(f->work, "end");
}

static void a_recorded_file_that_changed_is_refused_or_accepted(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    f->spec.capture_limit = 3;
    put_text(f->work, "db", "0123456789");
    capture_opened(f, {"db", O_RDWR, 0, 0, 0});
    json_decref(rolled_back(f));

    usleep(20000);
    autoclose int fd = openat(f->work, "db", O_RDWR | O_CLOEXEC);
    assert_int_equal(bv_pwrite_full(fd, "x", 1, 5), 0);
    assert_fails_saying(BV_ECHANGED, "/data/db has changed since", put_back(f, 0, &kept, &err));
    assert_text(f->work, "db", "01234x6789");
    assert_ok(put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
    assert_text(f->work, "db", "01234x6789");
    json_decref(kept);
}

static void a_file_open_for_reading_is_nobody_s_to_change_back(void **state)
{
    struct files_fixture *f = *state;
    put_text(f->work, "input", "old input");
    capture_opened(f, {"input", O_RDONLY, 0, 0, 0});
    put_text(f->work, "input", "the user has edited it");
    autojson json_t *kept = rolled_back(f);
    assert_text(f->work, "input", "the user has edited it");
    assert_int_equal(json_array_size(kept), 0);
}

static void a_link_in_the_place_of_a_file_is_refused(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    put_text(f->work, "log", "short");
    put_text(f->dir->fd, "victim", "must stay");
    capture_opened(f, {"log", O_WRONLY | O_APPEND, 0, 0, 0});
    assert_int_equal(unlinkat(f->work, "log", 0), 0);
    assert_int_equal(symlinkat("../victim", f->work, "log"), 0);
    assert_fails_saying(BV_ECHANGED, "/data/log", put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
    assert_text(f->dir->fd, "victim", "must stay");

    assert_int_equal(unlinkat(f->work, "log", 0), 0);
    assert_int_equal(symlinkat("../not-there", f->work, "log"), 0);
    assert_fails(BV_ECHANGED, put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
    assert_missing(f->dir->fd, "not-there");
}

static void a_link_in_the_place_of_a_directory_on_the_way_is_refused(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    assert_int_equal(mkdirat(f->work, "sub", 0700), 0);
    assert_int_equal(mkdirat(f->dir->fd, "elsewhere", 0700), 0);
    put_text(f->work, "sub/log", "short");
    put_text(f->dir->fd, "elsewhere/log", "short and longer");
    capture_opened(f, {"sub/log", O_WRONLY | O_APPEND, 0, 0, 0});
    assert_ok(bv_remove_tree(f->work, "sub", &err));
    assert_int_equal(symlinkat("../elsewhere", f->work, "sub"), 0);
    assert_fails_saying(BV_ECHANGED, "/data/sub/log", put_back(f, 0, &kept, &err));
    assert_text(f->dir->fd, "elsewhere/log", "short and longer");
    assert_int_equal(unlinkat(f->dir->fd, "elsewhere/log", 0), 0);
    assert_fails(BV_ECHANGED, put_back(f, 0, &kept, &err));
    assert_missing(f->dir->fd, "elsewhere/log");
}

static void no_directory_is_made_where_a_link_leads(void **state)
{
    struct files_fixture *f = *state;
    autofree char *path = path_in(f->dir, "data/sub/deep/log");
    struct rollback r = {.files = -1, .kept_fd = -1};
    struct rollback_entry e = {.path = path, .content = 0};
    assert_int_equal(mkdirat(f->dir->fd, "elsewhere", 0700), 0);
    assert_int_equal(symlinkat("../elsewhere", f->work, "sub"), 0);
    assert_fails_saying(BV_ECHANGED, "/data/sub/deep/log", rollback_put_back(&r, &e, &err));
    assert_missing(f->dir->fd, "elsewhere/deep");
}

static void what_is_no_regular_file_any_more_is_refused(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    put_text(f->work, "log", "short");
    capture_opened(f, {"log", O_WRONLY | O_APPEND, 0, 0, 0});
    assert_int_equal(unlinkat(f->work, "log", 0), 0);
    assert_int_equal(mkfifoat(f->work, "log", 0600), 0);
    assert_fails_saying(BV_ECHANGED, "not a regular file", put_back(f, 0, &kept, &err));
    assert_int_equal(unlinkat(f->work, "log", 0), 0);
    assert_int_equal(mkdirat(f->work, "log", 0700), 0);
    assert_fails_saying(BV_ECHANGED, "is a directory now", put_back(f, 0, &kept, &err));
}

static void a_copy_that_is_missing_or_of_another_length_is_noticed(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    put_text(f->work, "db", "0123456789");
    capture_opened(f, {"db", O_RDWR, 0, 0, 0});
    put_text(f->work, "db", "x");
    put_text(f->staging, "files/0", "012345678");
    assert_fails_saying(BV_ECORRUPT, "lacks the content of", put_back(f, 0, &kept, &err));
    assert_int_equal(unlinkat(f->staging, "files/0", 0), 0);
    assert_ok(bv_remove_tree(f->kept, "0001", &err));
    assert_fails_saying(BV_ECORRUPT, "lacks the content of", put_back(f, 0, &kept, &err));
    assert_text(f->work, "db", "x");
}

/* Two files that have changed, the second of which is on a small file system. */
static void capture_two_file_systems(struct files_fixture *f)
{
    autofree char *small = path_in(f->dir, "data/small");
    assert_int_equal(mkdirat(f->work, "small", 0700), 0);
    assert_int_equal(mount("small", small, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k"), 0);
    put_text(f->work, "log", "one\n");
    put_text(f->work, "small/db", "");
    autoclose int fd = openat(f->work, "small/db", O_RDWR | O_CLOEXEC);
    for (off_t at = 0; at < 40960; at += 4096)
        assert_int_equal(bv_pwrite_full(fd, "page", 4, at), 0);
    capture_opened(f, {"log", O_WRONLY | O_APPEND, 0, 0, 0}, {"small/db", O_RDWR, 0, 0, 0});
    append_text(f->work, "log", "two\n");
}

static void leave_two_file_systems(struct files_fixture *f)
{
    autofree char *small = path_in(f->dir, "data/small");
    assert_text(f->work, "log", "one\ntwo\n");
    assert_int_equal(umount2(small, MNT_DETACH), 0);
}

static void nothing_is_touched_where_one_file_system_is_read_only(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    capture_two_file_systems(f);
    autofree char *small = path_in(f->dir, "data/small");
    assert_int_equal(mount(NULL, small, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL), 0);
    assert_fails_saying(BV_EDENIED, "small/db is on a file system that is read-only",
                        put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
    leave_two_file_systems(f);
}

static void nothing_is_touched_where_there_is_no_room_for_one(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    capture_two_file_systems(f);
    assert_int_equal(unlinkat(f->work, "small/db", 0), 0);
    put_text(f->work, "small/filler", "");
    autoclose int fd = openat(f->work, "small/filler", O_RDWR | O_CLOEXEC);
    assert_int_equal(posix_fallocate(fd, 0, 40960), 0);
    assert_fails_saying(BV_ENOSPACE, "small/db, where", put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
    assert_missing(f->work, "small/db");
    leave_two_file_systems(f);
}

static void nothing_is_touched_where_a_file_system_is_not_mounted(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    capture_two_file_systems(f);
    autofree char *small = path_in(f->dir, "data/small");
    assert_int_equal(umount2(small, MNT_DETACH), 0);
    assert_fails_saying(BV_EHOST, "(tmpfs) that is not mounted on",
                        put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
    assert_text(f->work, "log", "one\ntwo\n");
    assert_missing(f->work, "small/db");
    autofree char *file = path_in(f->dir, "data/small/db");
    assert_fails_saying(BV_EHOST, "small/db was on", bv_rollback_missing(f->staging, file, &err));

    /* A node with its disks cut otherwise. */
    put_text(f->work, "small/other", "in use");
    autojson json_t *kept_now = rolled_back(f);
    assert_text(f->work, "log", "one\n");
    assert_int_equal(json_array_size(kept_now), 1);
    assert_ok(bv_rollback_missing(f->staging, file, &err));
}

static void a_program_must_be_on_a_file_system_that_executes(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    autofree char *small = path_in(f->dir, "data/small"), *program = path_in(f->dir, "data/small/program");
    put_text(f->work, "log", "one\n");
    capture_opened(f, {"log", O_WRONLY | O_APPEND, 0, 0, 0});
    append_text(f->work, "log", "two\n");
    assert_int_equal(mkdirat(f->work, "small", 0700), 0);
    assert_int_equal(mount("small", small, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k"), 0);
    put_text(f->work, "small/program", "x");
    json_t *mapped = json_object_get(f->captured, "mapped");
    json_array_append_new(mapped, json_pack("{s:s, s:b}", "path", program, "executed", 1));
    autofree char *text = bv_json_canonical(f->captured);
    assert_ok(bv_publish(f->staging, BV_CAPTURE_JSON, text, strlen(text), 1, &err));
    assert_fails_saying(BV_EHOST, "nothing can be executed", put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
    assert_text(f->work, "log", "one\ntwo\n");
    assert_int_equal(umount2(small, MNT_DETACH), 0);
}

static void put_pages(int dirfd, const char *name, int pages, const char *mark)
{
    autoclose int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (off_t at = 0; at < pages; at++)
        assert_int_equal(bv_pwrite_full(fd, mark, strlen(mark), at * 4096), 0);
}

/* As with a quota: that there is no room shows only when it is used up. What is kept aside takes it here. */
static void what_was_there_is_not_lost_when_the_room_ends(void **state)
{
    struct files_fixture *f = *state;
    autofree char *small = path_in(f->dir, "data/small");
    autojson json_t *kept = json_array();
    assert_int_equal(mkdirat(f->work, "small", 0700), 0);
    assert_int_equal(mount("small", small, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k"), 0);
    autoclose int room = openat(f->work, "small", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    put_pages(room, "db", 10, "as it was");
    capture_opened(f, {"small/db", O_RDWR, 0, 0, 0});
    put_pages(room, "db", 5, "of the future");
    put_pages(room, "filler", 3, "x");
    assert_fails_saying(BV_ENOSPACE, "small/db since the checkpoint is kept, and another restart tries again",
                        bv_rollback_files(f->staging, room, NULL, 0, kept, &err));
    assert_int_equal(json_array_size(kept), 1);
    assert_int_equal(size_of(room, "0001"), 4 * 4096 + (off_t)strlen("of the future"));

    assert_int_equal(unlinkat(room, "filler", 0), 0);
    assert_int_equal(renameat(room, "0001", room, "first"), 0);
    assert_ok(bv_rollback_files(f->staging, f->kept, NULL, 0, kept, &err));
    assert_int_equal(size_of(room, "db"), 9 * 4096 + (off_t)strlen("as it was"));
    assert_int_equal(umount2(small, MNT_DETACH), 0);
}

static void nothing_is_touched_where_one_was_rewritten(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    put_text(f->work, "log", "one\n");
    put_large(f->work, "large", (off_t)BV_PUT_BACK_LIMIT + 1);
    capture_opened(f, {"log", O_WRONLY | O_APPEND, 0, 0, 0}, {"large", O_WRONLY | O_APPEND, 0, 0, 0});
    append_text(f->work, "log", "two\n");
    put_text(f->work, "large", "short");
    assert_fails_saying(BV_ECHANGED, "/data/large is shorter", put_back(f, 0, &kept, &err));
    assert_text(f->work, "log", "one\ntwo\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        files_test(what_was_appended_since_is_cut_and_kept_aside),
        files_test(what_has_not_changed_is_not_touched),
        files_test(a_file_written_in_place_gets_its_content_back_in_the_same_inode),
        files_test(a_file_that_is_gone_comes_back_with_its_directories),
        files_test(a_file_cut_or_rewritten_comes_back_where_its_content_is_kept),
        files_test(a_large_file_is_cut_by_its_sums_alone),
        files_test(a_large_file_that_was_rewritten_is_refused_or_accepted),
        files_test(a_large_file_that_is_gone_is_refused),
        files_test(a_recorded_file_that_changed_is_refused_or_accepted),
        files_test(a_file_open_for_reading_is_nobody_s_to_change_back),
        files_test(a_link_in_the_place_of_a_file_is_refused),
        files_test(a_link_in_the_place_of_a_directory_on_the_way_is_refused),
        files_test(no_directory_is_made_where_a_link_leads),
        files_test(what_is_no_regular_file_any_more_is_refused),
        files_test(nothing_is_touched_where_one_file_system_is_read_only),
        files_test(nothing_is_touched_where_there_is_no_room_for_one),
        files_test(nothing_is_touched_where_a_file_system_is_not_mounted),
        files_test(a_program_must_be_on_a_file_system_that_executes),
        files_test(nothing_is_touched_where_one_was_rewritten),
        files_test(what_was_there_is_not_lost_when_the_room_ends),
        files_test(a_copy_that_is_missing_or_of_another_length_is_noticed),
    };
    return cmocka_run_group_tests(tests, private_shm, NULL);
}
