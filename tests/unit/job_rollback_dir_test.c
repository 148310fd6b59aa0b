/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that are captured whole. */
#include "job_rollback_fixture.h"

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

/* As a scheduler does, that writes its own files beside the job's. */
static pid_t start_renamer(struct files_fixture *f)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        close(openat(f->work, "ad.tmp", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        renameat(f->work, "ad.tmp", f->work, "ad");
        unlinkat(f->work, "ad", 0);
        mkdirat(f->work, "dir", 0700);
        unlinkat(f->work, "dir", AT_REMOVEDIR);
        symlinkat("a", f->work, "link");
        unlinkat(f->work, "link", 0);
    }
}

static void what_goes_away_while_it_is_looked_at_is_no_failure(void **state)
{
    struct files_fixture *f = *state;
    put_text(f->work, "a", "one\n");
    capture_work(f, NULL);
    pid_t renamer = start_renamer(f);
    for (int i = 0; i < 300; i++) {
        autojson json_t *kept = json_array();
        assert_ok(bv_rollback_files(f->staging, f->kept, NULL, 0, kept, &err));
        for (size_t k = 0; k < json_array_size(kept); k++)
            unlinkat(f->kept, json_string_value(json_object_get(json_array_get(kept, k), "kept")), 0);
    }
    kill(renamer, SIGKILL);
    assert_int_equal(waitpid(renamer, NULL, 0), renamer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        files_test(nothing_is_touched_where_a_large_file_of_a_directory_has_changed),
        files_test(nothing_is_touched_where_something_else_has_a_name),
        files_test(a_directory_becomes_what_it_was),
        files_test(what_was_created_since_is_moved_aside),
        files_test(what_is_excluded_stays_as_it_is),
        files_test(what_goes_away_while_it_is_looked_at_is_no_failure),
        files_test(a_store_inside_the_directory_lives_on),
        files_test(nothing_is_put_back_through_a_link_that_took_a_directory_s_place),
        files_test(volatile_directories_are_filled_and_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, private_shm, NULL);
}
