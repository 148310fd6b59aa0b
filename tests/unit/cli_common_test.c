/* SPDX-License-Identifier: Apache-2.0 */
#include "tmpdir.h"

#include "cli/cmd.h"

static void a_size_is_bytes_or_a_number_with_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned long long bytes;
    } good[] = {
        {"0", 0},
        {"4096", 4096},
        {"64K", 65536},
        {"256M", 256ULL << 20},
        {"2G", 2ULL << 30},
        {"1T", 1ULL << 40},
        {"0T", 0},
        {"9223372036854775807", INT64_MAX},
        {"8388607T", 8388607ULL << 40},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        unsigned long long bytes = 77;
        assert_ok(cmd_parse_size(good[i].text, &bytes, &err));
        assert_true(bytes == good[i].bytes);
    }
}

static void a_bad_size_is_refused_and_leaves_the_result_alone(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "K",
                                      "-1",       "+1",
                                      " 1",       "1 ",
                                      "1k",       "1B",
                                      "1KB",      "1KK",
                                      "1P",       "1.5G",
                                      "0x10",     "9223372036854775808",
                                      "8388608T", "99999999999999999999999",
                                      "1e3",      "many"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned long long bytes = 77;
        assert_fails_saying(BV_EUSAGE, "is no size", cmd_parse_size(bad[i], &bytes, &err));
        assert_int_equal(bytes, 77);
    }
}

static void a_duration_is_seconds_or_a_number_with_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } good[] = {
        {"0", 0},       {"90", 90},     {"2.5", 2.5},   {"30s", 30},         {"5m", 300},
        {"12h", 43200}, {"3d", 259200}, {"0.5h", 1800}, {"1000000000", 1e9},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        double seconds = 77;
        assert_ok(cmd_parse_duration(good[i].text, &seconds, &err));
        assert_float_equal(seconds, good[i].seconds, 0);
    }
}

static void a_bad_duration_is_refused_and_leaves_the_result_alone(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "s",     "-1",         "5 m",    "5min", "1w",  "nan",
                                      "inf", "1h30m", "1000000001", "99999d", "soon", "5ms", "1e400"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double seconds = 77;
        assert_fails_saying(BV_EUSAGE, "is no duration", cmd_parse_duration(bad[i], &seconds, &err));
        assert_float_equal(seconds, 77, 0);
    }
}

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
    autofree char *there = NULL, *missing = NULL, *none = NULL;
    autofree char *link = path_in(d, "link/../sub"), *sub = path_in(d, "sub"), *gone = path_in(d, "not/yet");
    assert_int_equal(mkdirat(d->fd, "sub", 0700), 0);
    assert_int_equal(symlinkat("sub", d->fd, "link"), 0);
    assert_ok(cmd_absolute(link, &there, &err));
    assert_string_equal(there, sub);
    assert_ok(cmd_absolute(gone, &missing, &err));
    assert_string_equal(missing, gone);
    assert_fails_saying(BV_EUSAGE, "not/yet", cmd_absolute("not/yet", &none, &err));
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
        cmocka_unit_test(a_size_is_bytes_or_a_number_with_a_unit),
        cmocka_unit_test(a_bad_size_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(a_duration_is_seconds_or_a_number_with_a_unit),
        cmocka_unit_test(a_bad_duration_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(a_size_is_shown_with_the_unit_that_fits),
        tmpdir_test(a_path_becomes_absolute_and_free_of_links),
        cmocka_unit_test(a_list_grows_by_one_and_stays_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
