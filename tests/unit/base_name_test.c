/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <ctype.h>
#include <limits.h>

#include "base/name.h"

static char *repeat(char c, size_t n)
{
    char *s = calloc(1, n + 1);
    memset(s, c, n);
    return s;
}

static void ids_of_every_scheduler_are_good(void **state)
{
    (void)state;
    static const char *const good[] = {"a",         "1234",     "slurm-1234", "lsf-77[3]", "htcondor-12.0",
                                       "sge-5.1-2", "A_b+c.d-", "[x]",        "+1",        "_"};
    char *longest = repeat('x', BV_JOB_ID_MAX);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_ok(bv_job_id_check(good[i], &err));
    assert_ok(bv_job_id_check(longest, &err));
    free(longest);
}

static void an_id_that_could_leave_its_directory_or_hide_is_bad(void **state)
{
    (void)state;
    static const struct {
        const char *id, *words;
    } bad[] = {
        {"", "1 to 96"},  {".", "begin"},        {"..", "begin"},   {".hidden", "begin"}, {"-x", "begin"},
        {"a/b", "'/'"},   {"a@1", "'@'"},        {"a b", "' '"},    {"a\n", "only"},      {"caf\xc3\xa9", "only"},
        {"a%2f", "'%'"},  {"a\\b", "'\\'"},      {"a:b", "':'"},    {"a*", "'*'"},        {"a\x7f", "only"},
        {"$HOME", "'$'"}, {"a;rm -rf x", "';'"}, {"a\x80", "only"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails_saying(BV_EUSAGE, bad[i].words, bv_job_id_check(bad[i].id, &err));
    char *long_id = repeat('x', BV_JOB_ID_MAX + 1);
    assert_fails_saying(BV_EUSAGE, "1 to 96", bv_job_id_check(long_id, &err));
    free(long_id);
}

static void a_new_id_is_good_unique_and_sorts_by_time(void **state)
{
    (void)state;
    char a[BV_JOB_ID_MAX + 1], b[BV_JOB_ID_MAX + 1], later[BV_JOB_ID_MAX + 1];
    assert_ok(bv_job_id_new(a, &err));
    assert_ok(bv_job_id_new(b, &err));
    usleep(3000);
    assert_ok(bv_job_id_new(later, &err));
    assert_ok(bv_job_id_check(a, &err));
    assert_int_equal(strlen(a), strlen("local-") + 26);
    assert_int_equal(strncmp(a, "local-0", 7), 0); /* 50 bits hold the 48 of the time: the first digit is small */
    assert_string_not_equal(a, b);
    assert_true(strcmp(a, later) < 0);
    for (const char *p = a + 6; *p; p++)
        assert_non_null(strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", *p));
}

static void a_reference_is_a_job_or_one_of_its_generations(void **state)
{
    (void)state;
    static const struct {
        const char *text, *job;
        unsigned generation;
    } good[] = {
        {"j", "j", 0}, {"j@1", "j", 1}, {"lsf-77[3]@12", "lsf-77[3]", 12}, {"j@999999", "j", 999999}, {"j@007", "j", 7},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char job[BV_JOB_ID_MAX + 1] = "";
        unsigned generation = 77;
        assert_ok(bv_job_ref_parse(good[i].text, job, &generation, &err));
        assert_string_equal(job, good[i].job);
        assert_int_equal(generation, good[i].generation);
    }
}

static void a_bad_reference_is_refused_and_leaves_the_results_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "1 to 96"},
        {"@1", "1 to 96"},
        {"j@", "generation"},
        {"j@0", "generation"},
        {"j@-1", "no gener"},
        {"j@+1", "no gener"},
        {"j@ 1", "no gener"},
        {"j@1x", "no gener"},
        {"j@1@2", "no gener"},
        {"j@1000000", "no gene"},
        {"j@0x10", "no generation"},
        {"../j@1", "begin"},
        {"a/b@1", "'/'"},
        {"j@99999999999999999999999", "no generation"},
    };
    char *huge = repeat('x', 100000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char job[BV_JOB_ID_MAX + 1] = "untouched";
        unsigned generation = 77;
        assert_fails_saying(BV_EUSAGE, bad[i].words, bv_job_ref_parse(bad[i].text, job, &generation, &err));
        assert_string_equal(job, "untouched");
        assert_int_equal(generation, 77);
    }
    char job[BV_JOB_ID_MAX + 1];
    unsigned generation;
    assert_fails_saying(BV_EUSAGE, "1 to 96", bv_job_ref_parse(huge, job, &generation, &err));
    free(huge);
}

static void a_component_is_one_plain_name(void **state)
{
    (void)state;
    char *longest = repeat('x', NAME_MAX), *too_long = repeat('x', NAME_MAX + 1);
    assert_true(bv_is_component("a"));
    assert_true(bv_is_component("..."));
    assert_true(bv_is_component(".a"));
    assert_true(bv_is_component("a b\n\xff"));
    assert_true(bv_is_component(longest));
    assert_false(bv_is_component(too_long));
    assert_false(bv_is_component(""));
    assert_false(bv_is_component("."));
    assert_false(bv_is_component(".."));
    assert_false(bv_is_component("a/b"));
    assert_false(bv_is_component("/"));
    free(longest);
    free(too_long);
}

static void a_clean_path_is_absolute_and_says_where_it_leads(void **state)
{
    (void)state;
    static const char *const good[] = {"/", "/a", "/a/b", "/...", "/.a/..b", "/a b/\n", "/a/%2e%2e", "/\xff"};
    static const char *const bad[] = {"",     "a",    "a/b", "//",    "/a/",   "//a",    "/a//b",
                                      "/./a", "/a/.", "/..", "/a/..", "/../a", "/a/./b", "./a"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(bv_is_clean_path(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(bv_is_clean_path(bad[i]));
}

static void a_clean_path_has_the_lengths_that_the_kernel_takes(void **state)
{
    (void)state;
    char path[PATH_MAX + 2] = "";
    for (size_t at = 0; at < sizeof(path) - 1; at++)
        path[at] = at % 200 ? 'x' : '/';
    path[PATH_MAX - 1] = '\0';
    assert_true(bv_is_clean_path(path));
    path[PATH_MAX - 1] = 'x';
    path[PATH_MAX] = '\0';
    assert_false(bv_is_clean_path(path));

    char *component = repeat('x', NAME_MAX + 2);
    component[0] = '/';
    assert_false(bv_is_clean_path(component));
    component[NAME_MAX + 1] = '\0';
    assert_true(bv_is_clean_path(component));
    free(component);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_every_scheduler_are_good),
        cmocka_unit_test(an_id_that_could_leave_its_directory_or_hide_is_bad),
        cmocka_unit_test(a_new_id_is_good_unique_and_sorts_by_time),
        cmocka_unit_test(a_reference_is_a_job_or_one_of_its_generations),
        cmocka_unit_test(a_bad_reference_is_refused_and_leaves_the_results_alone),
        cmocka_unit_test(a_component_is_one_plain_name),
        cmocka_unit_test(a_clean_path_is_absolute_and_says_where_it_leads),
        cmocka_unit_test(a_clean_path_has_the_lengths_that_the_kernel_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
