/* SPDX-License-Identifier: Apache-2.0 */
/* Files are captured from a real process, changed as a future that is discarded would, and put back. */
#include "job_files_fixture.h"

#include "job/rollback_private.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "job/xattr.h"

static int put_back(struct files_fixture *f, int accept_changed, json_t **ret_kept, struct bv_error *err)
{
    json_t *kept = json_array();
    if (bv_rollback_files(f->staging, f->kept, NULL, accept_changed, kept, err) == 0) {
        *ret_kept = kept;
        return 0;
    }
    json_decref(kept);
    return -1;
}

/* Roll back and return what was kept aside. */
static json_t *rolled_back(struct files_fixture *f)
{
    json_t *kept = NULL;
    assert_ok(put_back(f, 0, &kept, &err));
    assert_true(json_is_array(kept));
    return kept;
}

/* The one thing kept aside: what of which file, and why. */
static void assert_kept(struct files_fixture *f, const json_t *kept, const char *name, const char *text,
                        const char *why)
{
    assert_int_equal(json_array_size(kept), 1);
    const json_t *k = json_array_get(kept, 0);
    assert_non_null(strstr(json_string_value(json_object_get(k, "path")), name));
    assert_string_equal(json_string_value(json_object_get(k, "why")), why);
    assert_int_equal(json_integer_value(json_object_get(k, "bytes")), strlen(text));
    assert_text(f->kept, json_string_value(json_object_get(k, "kept")), text);
}

static void append_text(int dirfd, const char *name, const char *text)
{
    autoclose int fd = openat(dirfd, name, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(bv_write_full(fd, text, strlen(text)), 0);
}

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

/* A file too large for a copy, of `size` bytes with "mark" at its end. */
static void put_large(int dirfd, const char *name, off_t size)
{
    autoclose int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(bv_pwrite_full(fd, "mark", 4, size - 4), 0);
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
    assert_ok(put_back(f, 1, &kept, &err));
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
    assert_ok(put_back(f, 1, &kept, &err));
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
    assert_fails_saying(BV_ECHANGED, "/data/log", put_back(f, 1, &kept, &err));
    assert_text(f->dir->fd, "victim", "must stay");

    assert_int_equal(unlinkat(f->work, "log", 0), 0);
    assert_int_equal(symlinkat("../not-there", f->work, "log"), 0);
    assert_fails(BV_ECHANGED, put_back(f, 1, &kept, &err));
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

/* --- directories --- */

static void capture_work(struct files_fixture *f, char **globs)
{
    autofree char *work = path_in(f->dir, "data");
    char *list[] = {work, NULL};
    f->spec.capture = list;
    f->spec.no_capture = globs;
    capture_job(f, NULL, 0);
    f->spec.capture = f->spec.no_capture = NULL;
}

static void a_directory_becomes_what_it_was(void **state)
{
    struct files_fixture *f = *state;
    char target[64] = "";
    struct stat st;
    assert_int_equal(mkdirat(f->work, "sub", 0750), 0);
    put_text(f->work, "sub/changed", "old");
    put_text(f->work, "sub/removed", "gone");
    put_text(f->work, "same", "same");
    assert_int_equal(symlinkat("old-target", f->work, "link"), 0);
    assert_int_equal(mkfifoat(f->work, "sub/fifo", 0640), 0);
    capture_work(f, NULL);

    put_text(f->work, "sub/changed", "new and longer");
    assert_int_equal(unlinkat(f->work, "sub/removed", 0), 0);
    assert_int_equal(unlinkat(f->work, "sub/fifo", 0), 0);
    assert_int_equal(unlinkat(f->work, "link", 0), 0);
    assert_int_equal(symlinkat("new-target", f->work, "link"), 0);
    assert_int_equal(fchmodat(f->work, "sub", 0700, 0), 0);
    autojson json_t *kept = rolled_back(f);
    assert_text(f->work, "sub/changed", "old");
    assert_text(f->work, "sub/removed", "gone");
    assert_text(f->work, "same", "same");
    assert_true(readlinkat(f->work, "link", target, sizeof(target) - 1) > 0);
    assert_string_equal(target, "old-target");
    assert_int_equal(fstatat(f->work, "sub/fifo", &st, 0), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_int_equal(fstatat(f->work, "sub", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    assert_kept(f, kept, "sub/changed", "new and longer", "changed since the checkpoint");
}

static void what_was_created_since_is_moved_aside(void **state)
{
    struct files_fixture *f = *state;
    put_text(f->work, "old", "old");
    capture_work(f, NULL);
    assert_int_equal(mkdirat(f->work, "newdir", 0700), 0);
    put_text(f->work, "newdir/output", "a result of the lost future");
    assert_int_equal(symlinkat("old", f->work, "newlink"), 0);
    autojson json_t *kept = rolled_back(f);
    assert_missing(f->work, "newdir");
    assert_missing(f->work, "newlink");
    assert_text(f->work, "old", "old");
    assert_kept(f, kept, "/data/newdir/output", "a result of the lost future", "created after the checkpoint");
}

static void what_is_excluded_stays_as_it_is(void **state)
{
    struct files_fixture *f = *state;
    char *globs[] = {(char *)"*.log", (char *)"cache", NULL};
    put_text(f->work, "a.log", "before");
    capture_work(f, globs);
    put_text(f->work, "a.log", "after");
    put_text(f->work, "b.log", "new");
    assert_int_equal(mkdirat(f->work, "cache", 0700), 0);
    put_text(f->work, "cache/x", "cached");
    assert_int_equal(mkdirat(f->work, "newdir", 0700), 0);
    put_text(f->work, "newdir/c.log", "new too");
    autojson json_t *kept = rolled_back(f);
    assert_text(f->work, "a.log", "after");
    assert_text(f->work, "b.log", "new");
    assert_text(f->work, "cache/x", "cached");
    assert_text(f->work, "newdir/c.log", "new too");
    assert_int_equal(json_array_size(kept), 0);
}

static void a_store_inside_the_directory_lives_on(void **state)
{
    struct files_fixture *f = *state;
    char *list[] = {f->dir->path, NULL};
    json_t *kept = NULL;
    f->spec.capture = list;
    capture_job(f, NULL, 0);
    f->spec.capture = NULL;
    put_text(f->dir->fd, "store/format", "bivouac-store 1");
    assert_ok(put_back(f, 0, &kept, &err));
    assert_text(f->dir->fd, "store/format", "bivouac-store 1");
    json_decref(kept);
}

static void nothing_is_put_back_through_a_link_that_took_a_directory_s_place(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    assert_int_equal(mkdirat(f->work, "sub", 0700), 0);
    assert_int_equal(mkdirat(f->work, "sub/dir", 0700), 0);
    put_text(f->work, "sub/file", "x");
    assert_int_equal(symlinkat("target", f->work, "sub/link"), 0);
    assert_int_equal(mkfifoat(f->work, "sub/fifo", 0600), 0);
    capture_work(f, NULL);
    assert_ok(bv_remove_tree(f->work, "sub", &err));
    autoclose int elsewhere = make_dir(f->dir->fd, "elsewhere");
    put_text(elsewhere, "link", "a file of the user's");
    assert_int_equal(symlinkat("../elsewhere", f->work, "sub"), 0);
    assert_fails(BV_ECHANGED, put_back(f, 0, &kept, &err));
    assert_missing(elsewhere, "dir");
    assert_missing(elsewhere, "file");
    assert_missing(elsewhere, "fifo");
    assert_text(elsewhere, "link", "a file of the user's");
}

static void volatile_directories_are_filled_and_nothing_is_kept(void **state)
{
    struct files_fixture *f = *state;
    assert_int_equal(mkdir("/dev/shm/dir", 0700), 0);
    put_text(AT_FDCWD, "/dev/shm/dir/segment", "shared");
    assert_int_equal(symlink("dir", "/dev/shm/link"), 0);
    put_text(f->work, "log", "untouched by this");
    capture_opened(f, {"log", O_WRONLY | O_APPEND, 0, 0, 0});
    append_text(f->work, "log", ", still");
    assert_ok(bv_remove_tree(AT_FDCWD, "/dev/shm/dir", &err));
    assert_int_equal(unlink("/dev/shm/link"), 0);
    put_text(AT_FDCWD, "/dev/shm/engine", "stays"); /* of whoever else lives in the new capsule */
    assert_ok(bv_rollback_volatiles(f->staging, &err));
    assert_text(AT_FDCWD, "/dev/shm/link/segment", "shared");
    assert_text(AT_FDCWD, "/dev/shm/engine", "stays");
    assert_text(f->work, "log", "untouched by this, still");
    assert_ok(bv_remove_tree(AT_FDCWD, "/dev/shm/dir", &err));
    assert_int_equal(unlink("/dev/shm/link") + unlink("/dev/shm/engine"), 0);
}

/* --- hostile lists --- */

#define STAT "\"mode\":384,\"uid\":0,\"gid\":0,\"size\":1,\"mtime_ns\":0"

static void a_hostile_list_is_refused_before_anything_is_touched(void **state)
{
    struct files_fixture *f = *state;
    static const struct {
        const char *text;
        enum bv_code code;
    } table[] = {
        {"", BV_ECORRUPT},
        {"[]", BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 2\",\"files\":[],\"directories\":[]}", BV_ESTORE},
        {"{\"format\":\"bivouac-capture 1\"}", BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":{}}", BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[1],\"directories\":[]}", BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[{" STAT ",\"class\":\"append\",\"path\":\"rel\"}],"
         "\"directories\":[]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[{" STAT ",\"class\":\"append\",\"path\":\"/a/../b\"}],"
         "\"directories\":[]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[{" STAT ",\"class\":\"evil\",\"path\":\"/a\"}],"
         "\"directories\":[]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[{\"mode\":32768,\"uid\":0,\"gid\":0,\"size\":1,\"mtime_ns\":0,"
         "\"class\":\"append\",\"path\":\"/a\"}],\"directories\":[]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[{" STAT ",\"content\":-1,\"class\":\"append\",\"path\":\"/a\"}],"
         "\"directories\":[]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":[{\"path\":\"../x\",\"volatile\":false,"
         "\"entries\":[],\"no_capture\":[]}]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":[{\"path\":\"/tmp\",\"volatile\":1,"
         "\"entries\":[],\"no_capture\":[]}]}",
         BV_ECORRUPT},
    };
    json_t *kept = NULL;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        put_text(f->staging, BV_CAPTURE_JSON, table[i].text);
        assert_fails(table[i].code, put_back(f, 1, &kept, &err));
        assert_null(kept);
    }
}

static void an_entry_does_not_leave_its_directory(void **state)
{
    struct files_fixture *f = *state;
    static const char *const bad[] = {"../victim", "/tmp/x", "", ".", "..", "a/../../victim", "a//b", "./a", "a/"};
    static const char *const types[] = {"file", "dir", "link", "fifo"};
    json_t *kept = NULL;
    put_text(f->dir->fd, "victim", "must stay");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
            autofree char *text =
                bv_asprintf("{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":[{\"path\":"
                            "\"%s/data\",\"volatile\":false,\"no_capture\":[],\"entries\":[{" STAT
                            ",\"path\":\"%s\",\"type\":\"%s\",\"target\":\"x\",\"content\":0}]}]}",
                            f->dir->path, bad[i], types[k]);
            put_text(f->staging, BV_CAPTURE_JSON, text);
            assert_fails_saying(BV_ECORRUPT, "not valid", put_back(f, 1, &kept, &err));
        }
    assert_text(f->dir->fd, "victim", "must stay");
}

static void an_entry_is_not_put_through_a_link(void **state)
{
    struct files_fixture *f = *state;
    static const char *const types[] = {"file", "dir", "link", "fifo"};
    json_t *kept = NULL;
    autoclose int elsewhere = make_dir(f->dir->fd, "elsewhere");
    assert_int_equal(symlinkat("../elsewhere", f->work, "link"), 0);
    for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
        autofree char *text = bv_asprintf("{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":[{\"path\":"
                                          "\"%s/data\",\"volatile\":false,\"no_capture\":[],\"entries\":[{" STAT
                                          ",\"path\":\"link/x\",\"type\":\"%s\",\"target\":\"x\",\"content\":0}]}]}",
                                          f->dir->path, types[k]);
        put_text(f->staging, BV_CAPTURE_JSON, text);
        assert_fails_saying(BV_ECHANGED, "link/x", put_back(f, 1, &kept, &err));
        assert_missing(elsewhere, "x");
    }
}

static void an_entry_of_an_unknown_type_is_refused(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    autofree char *text =
        bv_asprintf("{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":[{\"path\":\"%s/data\","
                    "\"volatile\":false,\"no_capture\":[],\"entries\":[{" STAT
                    ",\"path\":\"x\",\"type\":\"device\",\"content\":0}]}]}",
                    f->dir->path);
    put_text(f->staging, BV_CAPTURE_JSON, text);
    assert_fails_saying(BV_ECORRUPT, "not valid", put_back(f, 1, &kept, &err));
    assert_missing(f->work, "x");
}

static void a_link_in_the_place_of_a_staged_copy_is_not_followed(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    put_text(f->work, "db", "0123456789");
    put_text(f->dir->fd, "secret", "9876543210");
    capture_opened(f, {"db", O_RDWR, 0, 0, 0});
    put_text(f->work, "db", "x");
    assert_int_equal(unlinkat(f->staging, "files/0", 0), 0);
    assert_int_equal(symlinkat("../../../../../secret", f->staging, "files/0"), 0);
    assert_fails(BV_ECORRUPT, put_back(f, 0, &kept, &err));
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
    assert_fails_saying(BV_EDENIED, "small/db is on a file system that is read-only", put_back(f, 1, &kept, &err));
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
    assert_fails_saying(BV_ENOSPACE, "small/db, where", put_back(f, 1, &kept, &err));
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
    assert_fails_saying(BV_EHOST, "(tmpfs) that is not mounted on", put_back(f, 1, &kept, &err));
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
    assert_fails_saying(BV_EHOST, "nothing can be executed", put_back(f, 1, &kept, &err));
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

/* --- nothing is touched where something in a directory cannot be put back --- */

static void assert_refused_untouched(struct files_fixture *f, const char *why)
{
    json_t *kept = NULL;
    assert_fails_saying(BV_ECHANGED, why, put_back(f, 0, &kept, &err));
    assert_text(f->work, "a", "changed\n");
}

static void nothing_is_touched_where_a_large_file_of_a_directory_has_changed(void **state)
{
    struct files_fixture *f = *state;
    put_text(f->work, "a", "one\n");
    f->spec.capture_limit = 4096;
    put_large(f->work, "large", 4097);
    capture_work(f, NULL);
    put_text(f->work, "a", "changed\n");
    append_text(f->work, "large", "more");
    assert_refused_untouched(f, "/data/large has changed since the checkpoint");
    assert_int_equal(unlinkat(f->work, "large", 0), 0);
    assert_refused_untouched(f, "/data/large is gone");
}

static void nothing_is_touched_where_something_else_has_a_name(void **state)
{
    struct files_fixture *f = *state;
    static const struct {
        const char *name, *why;
        int is_dir;
    } cases[] = {{"z.dir", "z.dir was a directory", 1},
                 {"z.link", "z.link was a symbolic link", 0},
                 {"z.fifo", "z.fifo was a fifo", 0}};
    put_text(f->work, "a", "one\n");
    assert_int_equal(mkdirat(f->work, "z.dir", 0700), 0);
    assert_int_equal(symlinkat("a", f->work, "z.link"), 0);
    assert_int_equal(mkfifoat(f->work, "z.fifo", 0600), 0);
    capture_work(f, NULL);
    put_text(f->work, "a", "changed\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(unlinkat(f->work, cases[i].name, cases[i].is_dir ? AT_REMOVEDIR : 0), 0);
        put_text(f->work, cases[i].name, "in its place");
        assert_refused_untouched(f, cases[i].why);
        assert_int_equal(unlinkat(f->work, cases[i].name, 0), 0);
    }
    autojson json_t *kept = rolled_back(f);
    assert_text(f->work, "a", "one\n");
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
        files_test(attributes_come_back_where_the_content_is_the_same),
        files_test(attributes_in_a_directory_come_back_where_the_content_is_the_same),
        files_test(nothing_is_touched_where_a_large_file_of_a_directory_has_changed),
        files_test(nothing_is_touched_where_something_else_has_a_name),
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
        files_test(attributes_come_back_and_only_those_of_the_user),
        files_test(a_copy_that_is_missing_or_of_another_length_is_noticed),
        files_test(a_directory_becomes_what_it_was),
        files_test(what_was_created_since_is_moved_aside),
        files_test(what_is_excluded_stays_as_it_is),
        files_test(a_store_inside_the_directory_lives_on),
        files_test(nothing_is_put_back_through_a_link_that_took_a_directory_s_place),
        files_test(volatile_directories_are_filled_and_nothing_is_kept),
        files_test(a_hostile_list_is_refused_before_anything_is_touched),
        files_test(an_entry_does_not_leave_its_directory),
        files_test(an_entry_is_not_put_through_a_link),
        files_test(an_entry_of_an_unknown_type_is_refused),
        files_test(a_link_in_the_place_of_a_staged_copy_is_not_followed),
    };
    return cmocka_run_group_tests(tests, private_shm, NULL);
}
