/* SPDX-License-Identifier: Apache-2.0 */
#include "tmpdir.h"

#include "cli/cmd.h"

static void a_size_is_shown_with_the_unit_that_fits(void **state)
{
    (void)state;
    static const struct {
        unsigned long long bytes;
        const char *text;
    } table[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {1 << 20, "1.0 MiB"},
        {5ULL << 30, "5.0 GiB"},
        {3ULL << 40, "3.0 TiB"},
        {1ULL << 50, "1.0 PiB"},
        {~0ULL, "16384.0 PiB"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[16];
        cmd_size_text(table[i].bytes, text);
        assert_string_equal(text, table[i].text);
    }
}

static void a_path_becomes_absolute_and_free_of_links(void **state)
{
    const struct tmpdir *d = *state;
    autofree char *there = NULL, *missing = NULL, *below = NULL, *none = NULL;
    autofree char *link = path_in(d, "link/../sub"), *sub = path_in(d, "sub"), *gone = path_in(d, "not/yet");
    assert_int_equal(mkdirat(d->fd, "sub", 0700), 0);
    assert_int_equal(symlinkat("sub", d->fd, "link"), 0);
    assert_ok(cmd_absolute(link, &there, &err));
    assert_string_equal(there, sub);
    assert_ok(cmd_absolute(gone, &missing, &err));
    assert_string_equal(missing, gone);
    assert_ok(cmd_absolute("not/yet", &below, &err));
    assert_true(below[0] == '/' && strlen(below) > strlen("/not/yet"));
    assert_string_equal(below + strlen(below) - strlen("/not/yet"), "/not/yet");
    assert_fails(BV_EUSAGE, cmd_absolute("/not/../yet", &none, &err));
    assert_null(none);
}

static void a_list_grows_by_one_and_stays_terminated(void **state)
{
    (void)state;
    char **list = NULL;
    for (int i = 0; i < 5; i++) {
        cmd_list_add(&list, bv_asprintf("%d", i));
        assert_null(list[i + 1]);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(atoi(list[i]), i);
        free(list[i]);
    }
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_is_shown_with_the_unit_that_fits),
        tmpdir_test(a_path_becomes_absolute_and_free_of_links),
        cmocka_unit_test(a_list_grows_by_one_and_stays_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
