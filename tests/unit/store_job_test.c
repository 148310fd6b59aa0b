/* SPDX-License-Identifier: Apache-2.0 */
/* A store and its jobs: made whole, trusted only when nobody else can write to them, removed whole. */
#include "store_fixture.h"

static void write_file(int dirfd, const char *name, const char *text)
{
    autoclose int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(bv_write_full(fd, text, strlen(text)), 0);
}

static mode_t mode_of(int dirfd, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

static void a_new_store_is_private_and_opens_again(void **state)
{
    struct fixture *f = *state;
    autostore struct bv_store again = {0};
    assert_int_equal(mode_of(f->store.dirfd, "."), 0700);
    assert_int_equal(mode_of(f->store.dirfd, "format"), 0600);
    assert_int_equal(mode_of(f->store.jobsfd, "."), 0700);
    assert_int_equal(mode_of(f->store.jobsfd, "job-1"), 0700);
    assert_int_equal(mode_of(f->job.dirfd, "job.json"), 0600);
    assert_ok(bv_store_open(f->dir, 0, &again, &err));
    assert_string_equal(again.path, f->dir);
}

static void a_missing_store_is_made_only_on_request(void **state)
{
    struct fixture *f = *state;
    autofree char *path = bv_asprintf("%s/new", f->dir);
    autostore struct bv_store s = {0};
    assert_fails(BV_ESTORE, bv_store_open(path, 0, &s, &err));
    assert_ok(bv_store_open(path, 1, &s, &err));
}

static void a_directory_with_other_things_in_it_is_no_store(void **state)
{
    struct fixture *f = *state;
    autofree char *path = bv_asprintf("%s/home", f->dir);
    autostore struct bv_store s = {0};
    assert_int_equal(mkdir(path, 0700), 0);
    autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    write_file(fd, "thesis.tex", "");
    assert_fails(BV_ESTORE, bv_store_open(path, 1, &s, &err));
    assert_fails(BV_ESTORE, bv_store_open(path, 0, &s, &err));
    assert_int_equal(faccessat(fd, "jobs", F_OK, 0), -1);
}

static void a_creation_that_was_interrupted_is_finished_by_the_next(void **state)
{
    struct fixture *f = *state;
    autofree char *path = bv_asprintf("%s/half", f->dir);
    autostore struct bv_store s = {0};
    assert_int_equal(mkdir(path, 0700), 0);
    autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(fd, "jobs", 0700), 0);
    write_file(fd, ".format.0123456789abcdef.tmp", "biv");
    assert_ok(bv_store_open(path, 1, &s, &err));
}

static void a_store_of_another_format_is_refused(void **state)
{
    static const char *const formats[] = {"bivouac-store 2\n", "bivouac-store 1", "bivouac-store 1\n ", "tar\n", ""};
    struct fixture *f = *state;
    autostore struct bv_store s = {0};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        write_file(f->store.dirfd, "format", formats[i]);
        assert_fails(BV_ESTORE, bv_store_open(f->dir, 1, &s, &err));
    }
}

static void a_store_or_job_that_others_may_write_to_is_refused(void **state)
{
    static const mode_t open_modes[] = {0770, 0702, 01777, 0720};
    struct fixture *f = *state;
    autostore struct bv_store s = {0};
    autojob struct bv_job j = {0};
    for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
        assert_int_equal(fchmod(f->store.dirfd, open_modes[i]), 0);
        assert_fails(BV_EDENIED, bv_store_open(f->dir, 0, &s, &err));
        assert_int_equal(fchmod(f->store.dirfd, 0700), 0);
        assert_int_equal(fchmod(f->store.jobsfd, open_modes[i]), 0);
        assert_fails(BV_EDENIED, bv_store_open(f->dir, 0, &s, &err));
        assert_int_equal(fchmod(f->store.jobsfd, 0700), 0);
        assert_int_equal(fchmod(f->job.dirfd, open_modes[i]), 0);
        assert_fails(BV_EDENIED, bv_job_open(&f->store, "job-1", &j, &err));
        assert_int_equal(fchmod(f->job.dirfd, 0700), 0);
    }
    /* That others may read is their owner's choice. */
    assert_int_equal(fchmod(f->store.dirfd, 0755), 0);
    assert_ok(bv_store_open(f->dir, 0, &s, &err));
}

static void the_job_of_another_user_is_denied_by_name(void **state)
{
    struct fixture *f = *state;
    autojob struct bv_job j = {0};
    struct bv_error err = {0};
    if (fchown(f->job.dirfd, 1, (gid_t)-1) < 0)
        skip(); /* only root can give files away */
    assert_int_equal(bv_job_open(&f->store, "job-1", &j, &err), -1);
    assert_int_equal(err.code, BV_EDENIED);
    assert_non_null(strstr(err.text, "job job-1 belongs to user "));
}

static void a_link_in_place_of_a_directory_is_not_followed(void **state)
{
    struct fixture *f = *state;
    autojob struct bv_job j = {0};
    autostore struct bv_store s = {0};
    assert_int_equal(symlinkat("job-1", f->store.jobsfd, "job-2"), 0);
    assert_fails(BV_ESTORE, bv_job_open(&f->store, "job-2", &j, &err));
    assert_int_equal(renameat(f->store.dirfd, "jobs", f->store.dirfd, "real"), 0);
    assert_int_equal(symlinkat("real", f->store.dirfd, "jobs"), 0);
    assert_fails(BV_ESTORE, bv_store_open(f->dir, 0, &s, &err));
}

static void a_job_keeps_its_record(void **state)
{
    struct fixture *f = *state;
    autojob struct bv_job j = {0};
    autojson json_t *record = NULL;
    assert_ok(bv_job_open(&f->store, "job-1", &j, &err));
    assert_string_equal(j.id, "job-1");
    assert_ok(bv_job_record(&j, &record, &err));
    assert_string_equal(json_string_value(json_object_get(record, "command")), "true");
}

static void a_damaged_record_is_no_missing_job(void **state)
{
    static const char *const bad[] = {"", "[]", "{\"command\"", "{\"a\":1,\"a\":2}"};
    struct fixture *f = *state;
    autojson json_t *record = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_file(f->job.dirfd, "job.json", bad[i]);
        assert_fails(BV_ECORRUPT, bv_job_record(&f->job, &record, &err));
    }
    assert_int_equal(unlinkat(f->job.dirfd, "job.json", 0), 0);
    assert_fails(BV_ECORRUPT, bv_job_record(&f->job, &record, &err));
}

static void a_job_is_created_once(void **state)
{
    struct fixture *f = *state;
    autojson json_t *record = json_object();
    autojob struct bv_job j = {0};
    assert_fails(BV_EBUSY, bv_job_create(&f->store, "job-1", record, &j, &err));
    assert_fails(BV_EUSAGE, bv_job_create(&f->store, "../job-2", record, &j, &err));
    assert_fails(BV_EUSAGE, bv_job_open(&f->store, ".new-job-1", &j, &err));
    assert_fails(BV_ENOJOB, bv_job_open(&f->store, "job-2", &j, &err));
}

static void jobs_are_listed_in_order_and_nothing_else_is(void **state)
{
    struct fixture *f = *state;
    autojson json_t *record = json_object();
    char **ids = NULL;
    size_t count = 0;
    static const char *const more[] = {"slurm-77[3]", "a", "local-01"};
    for (size_t i = 0; i < 3; i++) {
        autojob struct bv_job j = {0};
        assert_ok(bv_job_create(&f->store, more[i], record, &j, &err));
    }
    assert_int_equal(mkdirat(f->store.jobsfd, ".deleted-x", 0700), 0);
    assert_int_equal(mkdirat(f->store.jobsfd, "with space", 0700), 0);
    assert_ok(bv_job_list(&f->store, &ids, &count, &err));
    assert_int_equal(count, 4);
    assert_string_equal(ids[0], "a");
    assert_string_equal(ids[1], "job-1");
    assert_string_equal(ids[2], "local-01");
    assert_string_equal(ids[3], "slurm-77[3]");
    bv_job_list_free(ids, count);
}

static void a_deleted_job_is_gone_and_its_id_is_free(void **state)
{
    struct fixture *f = *state;
    autojson json_t *record = json_object();
    autojob struct bv_job j = {0};
    assert_int_equal(mkdirat(f->store.jobsfd, ".deleted-old.0", 0700), 0);
    commit_generation(&f->job, begin_generation(&f->job, 1, 0), 1, 0);
    assert_ok(bv_job_delete(&f->store, "job-1", &err));
    assert_fails(BV_ENOJOB, bv_job_open(&f->store, "job-1", &j, &err));
    assert_fails(BV_ENOJOB, bv_job_delete(&f->store, "job-1", &err));
    assert_int_equal(faccessat(f->store.jobsfd, ".deleted-old.0", F_OK, 0), -1);
    assert_ok(bv_job_create(&f->store, "job-1", record, &j, &err));
}

static void the_default_store_is_named_by_the_environment_or_lies_in_the_home(void **state)
{
    (void)state;
    autofree char *a = NULL, *b = NULL, *c = NULL;
    setenv("HOME", "/home/alice", 1);
    setenv("BIVOUAC_STORE", "/scratch/alice/store", 1);
    assert_ok(bv_store_default_path(&a, &err));
    assert_string_equal(a, "/scratch/alice/store");
    unsetenv("BIVOUAC_STORE");
    assert_ok(bv_store_default_path(&b, &err));
    assert_string_equal(b, "/home/alice/.bivouac");
    unsetenv("HOME");
    assert_fails(BV_ESTORE, bv_store_default_path(&c, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_new_store_is_private_and_opens_again),
        store_test(a_missing_store_is_made_only_on_request),
        store_test(a_directory_with_other_things_in_it_is_no_store),
        store_test(a_creation_that_was_interrupted_is_finished_by_the_next),
        store_test(a_store_of_another_format_is_refused),
        store_test(a_store_or_job_that_others_may_write_to_is_refused),
        store_test(the_job_of_another_user_is_denied_by_name),
        store_test(a_link_in_place_of_a_directory_is_not_followed),
        store_test(a_job_keeps_its_record),
        store_test(a_damaged_record_is_no_missing_job),
        store_test(a_job_is_created_once),
        store_test(jobs_are_listed_in_order_and_nothing_else_is),
        store_test(a_deleted_job_is_gone_and_its_id_is_free),
        cmocka_unit_test(the_default_store_is_named_by_the_environment_or_lies_in_the_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
