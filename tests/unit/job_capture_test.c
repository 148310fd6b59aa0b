/* SPDX-License-Identifier: Apache-2.0 */
/* A real process has files open and is stopped, as at a checkpoint. */
#include "job_files_fixture.h"

#include <sys/resource.h>

static void assert_class(const struct files_fixture *f, const char *name, const char *class)
{
    const json_t *e = file_entry(f, name);
    const char *is = e ? json_string_value(json_object_get(e, "class")) : "not captured";
    if (strcmp(is, class) != 0)
        fail_msg("%s is %s, not %s", name, is, class);
}

/* The copy in files/ of what `entry` tells. */
static void assert_content(const struct files_fixture *f, const json_t *entry, const char *text)
{
    char name[32];
    const json_t *number = entry ? json_object_get(entry, "content") : NULL;
    assert_true(json_is_integer(number));
    snprintf(name, sizeof(name), "files/%lld", (long long)json_integer_value(number));
    assert_text(f->staging, name, text);
}

static void assert_no_content(const json_t *entry)
{
    assert_non_null(entry);
    assert_null(json_object_get(entry, "content"));
}

static void how_a_file_is_open_tells_its_class(void **state)
{
    struct files_fixture *f = *state;
    static const char *const names[] = {"append", "end", "begin", "both", "read", "mapped", "two"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put_text(f->work, names[i], names[i]);
    capture_opened(f, {"append", O_WRONLY | O_APPEND, 0, 0, 0}, {"end", O_WRONLY, -1, 0, 0},
                   {"begin", O_WRONLY, 1, 0, 0}, {"both", O_RDWR, -1, 0, 0}, {"read", O_RDONLY, 0, 0, 0},
                   {"mapped", O_RDWR, 0, 1, 0}, {"two", O_WRONLY | O_APPEND, 0, 0, 0}, {"two", O_WRONLY, 0, 0, 0});
    assert_class(f, "append", "append");
    assert_class(f, "end", "sequential");
    assert_class(f, "begin", "in-place");
    assert_class(f, "both", "in-place"); /* it may read and write back what it wrote before */
    assert_class(f, "read", "read-only");
    assert_class(f, "mapped", "in-place");
    assert_class(f, "two", "in-place"); /* the freest of its writers counts */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_content(f, file_entry(f, names[i]), names[i]);
}

static void appenders_and_writers_at_the_end_together_are_sequential(void **state)
{
    struct files_fixture *f = *state;
    put_text(f->work, "log", "123");
    capture_opened(f, {"log", O_WRONLY | O_APPEND, 0, 0, 0}, {"log", O_WRONLY, -1, 0, 0}, {"log", O_RDONLY, 0, 0, 0});
    assert_class(f, "log", "sequential");
    assert_int_equal(json_array_size(json_object_get(f->captured, "files")), 1);
}

static void an_entry_records_what_a_restart_compares(void **state)
{
    struct files_fixture *f = *state;
    struct stat st;
    put_text(f->work, "out", "0123456789");
    assert_int_equal(fchmodat(f->work, "out", 0640, 0), 0);
    assert_int_equal(fstatat(f->work, "out", &st, 0), 0);
    capture_opened(f, {"out", O_WRONLY, -1, 0, 0});
    const json_t *e = file_entry(f, "out");
    assert_int_equal(json_integer_value(json_object_get(e, "size")), 10);
    assert_int_equal(json_integer_value(json_object_get(e, "mode")), 0640);
    assert_int_equal(json_integer_value(json_object_get(e, "uid")), geteuid());
    assert_true(json_integer_value(json_object_get(e, "mtime_ns")) ==
                st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec);
    assert_int_equal(strlen(json_string_value(json_object_get(e, "tail"))), 16);
    assert_string_equal(json_string_value(json_object_get(e, "head")), json_string_value(json_object_get(e, "tail")));
}

static void a_large_file_written_in_place_is_only_recorded_and_the_user_is_told(void **state)
{
    struct files_fixture *f = *state;
    put_text(f->work, "at-limit", "12345");
    put_text(f->work, "above", "123456");
    f->spec.capture_limit = 5;
    start_job(f, (const struct opened[]){{"at-limit", O_RDWR, 0, 0, 0}, {"above", O_RDWR, 0, 0, 0}}, 2);
    autojson json_t *warnings = capture(f);
    assert_class(f, "at-limit", "in-place");
    assert_class(f, "above", "recorded");
    assert_no_content(file_entry(f, "above"));
    assert_int_equal(json_array_size(warnings), 1);
    assert_non_null(strstr(json_string_value(json_array_get(warnings, 0)), "/data/above has"));
    assert_non_null(strstr(json_string_value(json_array_get(warnings, 0)), "capture limit"));
}

static void of_a_large_file_written_at_its_end_only_sums_are_kept(void **state)
{
    struct files_fixture *f = *state;
    static const char *const names[] = {"append", "end", "read"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        put_text(f->work, names[i], "head");
        autoclose int fd = openat(f->work, names[i], O_RDWR | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, (off_t)BV_PUT_BACK_LIMIT + 1), 0);
    }
    capture_opened(f, {"append", O_WRONLY | O_APPEND, 0, 0, 0}, {"end", O_WRONLY, -1, 0, 0},
                   {"read", O_RDONLY, 0, 0, 0});
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_no_content(file_entry(f, names[i]));
    assert_non_null(json_object_get(file_entry(f, "end"), "head"));
    assert_string_not_equal(json_string_value(json_object_get(file_entry(f, "end"), "head")),
                            json_string_value(json_object_get(file_entry(f, "end"), "tail")));
    assert_null(json_object_get(file_entry(f, "append"), "head"));
    assert_null(json_object_get(file_entry(f, "read"), "tail"));
}

static void a_deleted_file_is_left_to_the_engine(void **state)
{
    struct files_fixture *f = *state;
    put_text(f->work, "gone", "x");
    put_text(f->work, "other", "y");
    capture_opened(f, {"gone", O_RDWR, 0, 0, 1}, {"other", O_RDWR, 0, 0, 0});
    assert_null(file_entry(f, "gone"));
    assert_non_null(file_entry(f, "other"));
}

static void a_deleted_file_that_the_engine_has_named_again_is_captured_by_that_name(void **state)
{
    struct files_fixture *f = *state;
    put_text(f->work, "gone", "content");
    assert_int_equal(linkat(f->work, "gone", f->work, "link_remap.7", 0), 0);
    put_text(f->work, "link_remap.8", "another file");
    capture_opened(f, {"gone", O_RDONLY, 0, 0, 1});
    assert_class(f, "link_remap.7", "in-place");
    assert_content(f, file_entry(f, "link_remap.7"), "content");
    assert_null(file_entry(f, "link_remap.8"));
}

/* On NFS, where the file keeps a name of its own until it is closed. */
static void a_silly_name_is_not_what_a_restart_would_find(void **state)
{
    struct files_fixture *f = *state;
    static const char silly[] = ".nfs00000000006dc0e900000001";
    put_text(f->work, silly, "content");
    put_text(f->work, ".nfs_of_nobody", "other");
    assert_int_equal(linkat(f->work, silly, f->work, "link_remap.7", 0), 0);
    f->spec.capture_limit = 5;
    capture_opened(f, {silly, O_RDWR, 0, 0, 0}, {".nfs_of_nobody", O_RDWR, 0, 0, 0});
    assert_null(file_entry(f, silly));
    assert_class(f, "link_remap.7", "in-place");
    assert_content(f, file_entry(f, "link_remap.7"), "content");
    assert_content(f, file_entry(f, ".nfs_of_nobody"), "other");
}

static void it_is_kept_in_mind_what_is_mounted_and_mapped(void **state)
{
    struct files_fixture *f = *state;
    autofree char *small = path_in(f->dir, "data/small");
    assert_int_equal(mkdirat(f->work, "small", 0700), 0);
    assert_int_equal(mount("small", small, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k"), 0);
    put_text(f->work, "small/db", "x");
    capture_opened(f, {"small/db", O_RDWR, 0, 0, 0});
    assert_int_equal(umount2(small, MNT_DETACH), 0);
    const json_t *m = entry_called(json_object_get(f->captured, "mounts"), small);
    assert_string_equal(json_string_value(json_object_get(m, "type")), "tmpfs");
    assert_null(entry_called(json_object_get(f->captured, "mounts"), "/"));
    char self[4096] = "";
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    const json_t *exe = entry_called(json_object_get(f->captured, "mapped"), self);
    assert_true(json_is_true(json_object_get(exe, "executed")));
}

static void files_of_the_kernel_and_of_the_capsule_are_not_captured(void **state)
{
    struct files_fixture *f = *state;
    put_text(AT_FDCWD, "/dev/shm/segment", "shared memory");
    capture_opened(f, {"/proc/self/comm", O_RDWR, 0, 0, 0}, {"/dev/shm/segment", O_RDWR, 0, 0, 0},
                   {"/dev/null", O_RDWR, 0, 0, 0});
    assert_int_equal(json_array_size(json_object_get(f->captured, "files")), 0);
    const json_t *shm = entry_called(json_object_get(f->captured, "directories"), "/dev/shm");
    assert_true(json_is_true(json_object_get(shm, "volatile")));
    assert_content(f, entry_called(json_object_get(shm, "entries"), "segment"), "shared memory");
    unlink("/dev/shm/segment");
}

static void what_is_bound_into_a_volatile_directory_is_a_file_like_any_other(void **state)
{
    struct files_fixture *f = *state;
    autofree char *work = path_in(f->dir, "data");
    put_text(f->work, "data", "on the host");
    assert_int_equal(mkdir("/dev/shm/bound", 0700), 0);
    assert_int_equal(mount(work, "/dev/shm/bound", NULL, MS_BIND, NULL), 0);
    capture_opened(f, {"/dev/shm/bound/data", O_RDWR, 0, 0, 0});
    assert_int_equal(umount("/dev/shm/bound"), 0);
    assert_int_equal(rmdir("/dev/shm/bound"), 0);
    const json_t *shm = entry_called(json_object_get(f->captured, "directories"), "/dev/shm");
    assert_int_equal(json_array_size(json_object_get(shm, "entries")), 0);
    const json_t *e = entry_called(json_object_get(f->captured, "files"), "/dev/shm/bound/data");
    assert_content(f, e, "on the host");
}

static void a_named_directory_is_captured_with_all_that_is_in_it(void **state)
{
    struct files_fixture *f = *state;
    autofree char *work = path_in(f->dir, "data");
    char *capture_list[] = {work, NULL};
    f->spec.capture = capture_list;
    put_text(f->work, "file", "text");
    assert_int_equal(mkdirat(f->work, "sub", 0750), 0);
    put_text(f->work, "sub/inner \xff", "inner");
    assert_int_equal(symlinkat("../any where", f->work, "sub/link"), 0);
    assert_int_equal(mkfifoat(f->work, "fifo", 0600), 0);
    capture_opened(f, {"file", O_RDONLY, 0, 0, 0});

    const json_t *d = entry_called(json_object_get(f->captured, "directories"), work);
    const json_t *entries = json_object_get(d, "entries");
    assert_true(json_is_false(json_object_get(d, "volatile")));
    assert_int_equal(json_array_size(entries), 5);
    assert_content(f, entry_called(entries, "file"), "text");
    assert_content(f, entry_called(entries, "sub/inner %FF"), "inner");
    const json_t *link = entry_called(entries, "sub/link");
    assert_string_equal(json_string_value(json_object_get(link, "type")), "link");
    assert_string_equal(json_string_value(json_object_get(link, "target")), "../any where");
    assert_string_equal(json_string_value(json_object_get(entry_called(entries, "fifo"), "type")), "fifo");
    assert_string_equal(json_string_value(json_object_get(entry_called(entries, "sub"), "type")), "dir");
    assert_int_equal(json_integer_value(json_object_get(entry_called(entries, "sub"), "mode")), 0750);
    f->spec.capture = NULL;
}

static void what_the_globs_exclude_is_not_captured(void **state)
{
    struct files_fixture *f = *state;
    autofree char *work = path_in(f->dir, "data");
    char *capture_list[] = {work, NULL}, *globs[] = {(char *)"*.tmp", (char *)"cache", (char *)"sub/x*", NULL};
    f->spec.capture = capture_list;
    f->spec.no_capture = globs;
    static const char *const dirs[] = {"cache", "sub", "sub/cache"};
    static const char *const files[] = {"a.tmp", "a.tmp2", "cache/in", "sub/b.tmp", "sub/xy", "xy", "sub/cache/in"};
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        assert_int_equal(mkdirat(f->work, dirs[i], 0700), 0);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        put_text(f->work, files[i], files[i]);
    capture_opened(f, {"xy", O_RDONLY, 0, 0, 0});
    const json_t *d = entry_called(json_object_get(f->captured, "directories"), work);
    const json_t *entries = json_object_get(d, "entries");
    assert_int_equal(json_array_size(entries), 3);
    assert_non_null(entry_called(entries, "a.tmp2"));
    assert_non_null(entry_called(entries, "sub"));
    assert_non_null(entry_called(entries, "xy"));
    assert_int_equal(json_array_size(json_object_get(d, "no_capture")), 3);
    f->spec.capture = f->spec.no_capture = NULL;
}

static void a_store_inside_a_captured_directory_is_left_out(void **state)
{
    struct files_fixture *f = *state;
    char *capture_list[] = {f->dir->path, NULL};
    f->spec.capture = capture_list;
    put_text(f->work, "file", "text");
    capture_opened(f, {"file", O_RDONLY, 0, 0, 0});
    const json_t *d = entry_called(json_object_get(f->captured, "directories"), f->dir->path);
    const json_t *entries = json_object_get(d, "entries");
    assert_non_null(entry_called(entries, "data/file"));
    assert_null(entry_called(entries, "store"));
    assert_int_equal(json_array_size(entries), 2);
    f->spec.capture = NULL;
}

static void a_captured_directory_that_is_not_there_yet_is_captured_as_empty(void **state)
{
    struct files_fixture *f = *state;
    autofree char *to_come = path_in(f->dir, "data/to-come");
    char *capture_list[] = {to_come, NULL};
    f->spec.capture = capture_list;
    capture_job(f, NULL, 0);
    const json_t *d = entry_called(json_object_get(f->captured, "directories"), to_come);
    assert_non_null(d);
    assert_int_equal(json_array_size(json_object_get(d, "entries")), 0);
    f->spec.capture = NULL;
}

static void a_captured_directory_that_is_none_fails_the_checkpoint(void **state)
{
    struct files_fixture *f = *state;
    autofree char *plain = path_in(f->dir, "data/plain");
    char *capture_list[] = {plain, NULL};
    struct bv_capture *c = NULL;
    put_text(f->work, "plain", "");
    f->spec.capture = capture_list;
    start_job(f, NULL, 0);
    assert_fails_saying(BV_ENODIR, "/data/plain: Not a directory",
                        bv_capture_take(&f->spec, f->job, 0, f->staging, &c, &err));
    assert_null(c);
    f->spec.capture = NULL;
}

static void what_can_wait_is_copied_when_the_job_runs_again(void **state)
{
    struct files_fixture *f = *state;
    struct bv_capture *c = NULL;
    put_text(f->work, "log", "at the freeze");
    start_job(f, (const struct opened[]){{"log", O_WRONLY | O_APPEND, 0, 0, 0}}, 1);
    assert_ok(bv_capture_take(&f->spec, f->job, 0, f->staging, &c, &err));
    assert_missing(f->staging, "files/0");
    autoclose int fd = openat(f->work, "log", O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, " and after", 10), 10);
    assert_int_equal(unlinkat(f->work, "log", 0), 0);
    assert_ok(bv_capture_finish(c, &err));
    assert_text(f->staging, "files/0", "at the freeze");
}

/* The copy that could wait came too late: none is better than one of something else. */
static void what_is_cut_before_it_is_copied_has_no_content(void **state)
{
    struct files_fixture *f = *state;
    static const char *const later[] = {"", "short", "another long text", "as long as it"};
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        struct bv_capture *c = NULL;
        put_text(f->work, "log", "at the freeze");
        start_job(f, (const struct opened[]){{"log", O_WRONLY | O_APPEND, 0, 0, 0}}, 1);
        assert_ok(bv_capture_take(&f->spec, f->job, 0, f->staging, &c, &err));
        put_text(f->work, "log", later[i]);
        assert_ok(bv_capture_finish(c, &err));
        assert_missing(f->staging, "files/0");
        autofree char *text = bv_read_proc(f->staging, BV_CAPTURE_JSON, 4096);
        assert_non_null(strstr(text, "/data/log"));
        assert_null(strstr(text, "\"content\""));
        end_job(f);
        assert_ok(bv_remove_tree(f->staging, "files", &err));
        assert_ok(bv_remove_tree(f->staging, BV_CAPTURE_JSON, &err));
    }
}

static void two_names_of_one_file_are_one_entry(void **state)
{
    struct files_fixture *f = *state;
    put_text(f->work, "a", "x");
    assert_int_equal(linkat(f->work, "a", f->work, "b", 0), 0);
    capture_opened(f, {"a", O_RDWR, 0, 0, 0}, {"b", O_RDWR, 0, 0, 0});
    assert_int_equal(json_array_size(json_object_get(f->captured, "files")), 1);
}

/* With few descriptors left, a capture fails, or it has all files: it never has some of them. */
static void a_capture_has_all_files_or_fails(void **state)
{
    struct files_fixture *f = *state;
    struct rlimit before, few;
    int failed = 0, complete = 0;
    put_text(f->work, "a", "x");
    put_text(f->work, "b", "y");
    start_job(f, (const struct opened[]){{"a", O_RDWR, 0, 0, 0}, {"b", O_RDWR, 0, 1, 0}}, 2);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    autoclose int next = dup(f->work);
    for (few = before, few.rlim_cur = (rlim_t)next; !complete && few.rlim_cur < (rlim_t)next + 40; few.rlim_cur++) {
        struct bv_capture *c = NULL;
        struct bv_error why = {0};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        int rc = bv_capture_take(&f->spec, f->job, 0, f->staging, &c, &why);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (rc < 0) {
            assert_int_not_equal(why.code, 0);
            failed++;
        } else {
            autofree char *text = NULL;
            assert_int_equal(json_array_size(bv_capture_warnings(c)), 0);
            assert_ok(bv_capture_finish(c, &err));
            assert_ok(bv_read_file(f->staging, BV_CAPTURE_JSON, 1 << 24, &text, NULL, &err));
            assert_ok(bv_json_parse(text, strlen(text), &f->captured, &err));
            assert_non_null(file_entry(f, "a"));
            assert_non_null(file_entry(f, "b"));
            complete = 1;
        }
        assert_ok(bv_remove_tree(f->staging, BV_CAPTURE_FILES, &err));
    }
    assert_true(failed > 3 && complete);
    end_job(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        files_test(how_a_file_is_open_tells_its_class),
        files_test(appenders_and_writers_at_the_end_together_are_sequential),
        files_test(an_entry_records_what_a_restart_compares),
        files_test(a_large_file_written_in_place_is_only_recorded_and_the_user_is_told),
        files_test(of_a_large_file_written_at_its_end_only_sums_are_kept),
        files_test(a_deleted_file_is_left_to_the_engine),
        files_test(a_deleted_file_that_the_engine_has_named_again_is_captured_by_that_name),
        files_test(a_silly_name_is_not_what_a_restart_would_find),
        files_test(it_is_kept_in_mind_what_is_mounted_and_mapped),
        files_test(files_of_the_kernel_and_of_the_capsule_are_not_captured),
        files_test(what_is_bound_into_a_volatile_directory_is_a_file_like_any_other),
        files_test(a_named_directory_is_captured_with_all_that_is_in_it),
        files_test(what_the_globs_exclude_is_not_captured),
        files_test(a_store_inside_a_captured_directory_is_left_out),
        files_test(a_captured_directory_that_is_not_there_yet_is_captured_as_empty),
        files_test(a_captured_directory_that_is_none_fails_the_checkpoint),
        files_test(what_can_wait_is_copied_when_the_job_runs_again),
        files_test(what_is_cut_before_it_is_copied_has_no_content),
        files_test(two_names_of_one_file_are_one_entry),
        files_test(a_capture_has_all_files_or_fails),
    };
    return cmocka_run_group_tests(tests, private_shm, NULL);
}
