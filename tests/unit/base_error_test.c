/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

static void a_failure_is_filled_and_returned_in_one_line(void **state)
{
    (void)state;
    struct bv_error err = {0};
    assert_int_equal(bv_fail(&err, BV_ESTORE, 0, "cannot sync %s", "pack-0"), -1);
    assert_int_equal(err.code, BV_ESTORE);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.text, "cannot sync pack-0");
}

static void the_system_s_reason_follows_a_colon(void **state)
{
    (void)state;
    struct bv_error err = {0};
    bv_fail(&err, BV_ENOSPACE, ENOSPC, "cannot write %d bytes", 7);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_string_equal(err.text, "cannot write 7 bytes: No space left on device");
}

static void without_an_error_object_the_result_is_the_same(void **state)
{
    (void)state;
    assert_int_equal(bv_fail(NULL, BV_ESTORE, EIO, "x"), -1);
    assert_int_equal(bv_wrap(NULL, "x"), -1);
}

static void a_wrap_puts_its_context_in_front_and_keeps_the_rest(void **state)
{
    (void)state;
    struct bv_error err = {0};
    bv_fail(&err, BV_EDENIED, EACCES, "cannot open %s", "a");
    assert_int_equal(bv_wrap(&err, "job %s", "j"), -1);
    assert_int_equal(err.code, BV_EDENIED);
    assert_int_equal(err.sys_errno, EACCES);
    assert_string_equal(err.text, "job j: cannot open a: Permission denied");
}

static void a_text_that_is_too_long_is_cut_at_the_end_of_the_object(void **state)
{
    (void)state;
    static char x[4096];
    struct bv_error err = {0};
    memset(x, 'x', sizeof(x) - 1);
    bv_fail(&err, BV_EINTERNAL, EIO, "%s", x);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_int_equal(err.text[sizeof(err.text) - 2], 'x');

    bv_wrap(&err, "front");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_int_equal(strncmp(err.text, "front: xxx", 10), 0);

    bv_wrap(&err, "%s", x);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_null(strstr(err.text, "front"));
}

static void a_reason_that_fits_in_part_is_cut_too(void **state)
{
    (void)state;
    struct bv_error err = {0};
    bv_fail(&err, BV_EINTERNAL, ENOENT, "%*s", (int)sizeof(err.text) - 6, "x");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_string_equal(err.text + sizeof(err.text) - 6, ": No ");
}

static void every_code_has_its_own_number_name_and_meaning(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *name, *word;
    } table[] = {
        {0, "BV_OK", "success"},
        {2, "BV_EUSAGE", "command line"},
        {85, "BV_CHECKPOINTED", "run it again"},
        {100, "BV_EINTERNAL", "system"},
        {101, "BV_ENOJOB", "no such job"},
        {102, "BV_EDENIED", "permission"},
        {103, "BV_ESTORE", "store"},
        {104, "BV_ECORRUPT", "verify"},
        {105, "BV_ENOSPACE", "space"},
        {106, "BV_EENGINE", "dump"},
        {107, "BV_ENOENGINE", "missing"},
        {108, "BV_ERESTORE", "restore"},
        {109, "BV_EHOST", "host"},
        {110, "BV_ECHANGED", "changed"},
        {111, "BV_ENODIR", "directory"},
        {112, "BV_EBUSY", "in progress"},
        {113, "BV_EFENCED", "newer"},
        {114, "BV_ETIMEOUT", "deadline"},
        {115, "BV_EBLOCKED", "cannot"},
        {116, "BV_ENOTRUNNING", "not"},
        {117, "BV_EPROTO", "malformed"},
        {118, "BV_ENOCKPT", "no check"},
        {119, "BV_EENDED", "ended"},
        {120, "BV_ENOPROGRESS", "no progress"},
        {121, "BV_EATTEMPTS", "attempts"},
        {126, "BV_ENOEXEC", "executed"},
        {122, "BV_EDIFFERS", "otherwise"},
        {123, "BV_EINCOMPARABLE", "proves"},
        {127, "BV_ENOCMD", "not found"},
    };
    size_t known = 0;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_string_equal(bv_code_name(table[i].number), table[i].name);
        assert_non_null(strstr(bv_code_text(table[i].number), table[i].word));
    }
    for (int n = -1; n < 256; n++)
        known += strcmp(bv_code_name(n), "unknown") != 0;
    assert_int_equal(known, sizeof(table) / sizeof(table[0]));
    assert_string_equal(bv_code_text(99), "unknown");
}

static void a_full_disk_and_a_used_up_quota_are_no_space_and_all_else_is_the_store(void **state)
{
    (void)state;
    assert_int_equal(bv_store_code(ENOSPC), BV_ENOSPACE);
    assert_int_equal(bv_store_code(EDQUOT), BV_ENOSPACE);
    assert_int_equal(bv_store_code(EIO), BV_ESTORE);
    assert_int_equal(bv_store_code(0), BV_ESTORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_filled_and_returned_in_one_line),
        cmocka_unit_test(the_system_s_reason_follows_a_colon),
        cmocka_unit_test(without_an_error_object_the_result_is_the_same),
        cmocka_unit_test(a_wrap_puts_its_context_in_front_and_keeps_the_rest),
        cmocka_unit_test(a_text_that_is_too_long_is_cut_at_the_end_of_the_object),
        cmocka_unit_test(a_reason_that_fits_in_part_is_cut_too),
        cmocka_unit_test(every_code_has_its_own_number_name_and_meaning),
        cmocka_unit_test(a_full_disk_and_a_used_up_quota_are_no_space_and_all_else_is_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
