/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <limits.h>

#include "base/clock.h"

static void no_seconds_are_a_deadline_that_never_comes(void **state)
{
    (void)state;
    assert_int_equal(bv_deadline_in(0).at_ns, 0);
    assert_int_equal(bv_deadline_in(-1).at_ns, 0);
    assert_false(bv_deadline_passed(bv_deadline_in(0)));
    assert_int_equal(bv_deadline_ms(bv_deadline_in(0)), -1);
}

static void a_deadline_passes_when_its_time_has_come(void **state)
{
    (void)state;
    struct bv_deadline d = bv_deadline_in(0.05);
    assert_false(bv_deadline_passed(d));
    int ms = bv_deadline_ms(d);
    assert_in_range(ms, 1, 50);
    usleep(60000);
    assert_true(bv_deadline_passed(d));
    assert_int_equal(bv_deadline_ms(d), 0);
}

static void the_last_fraction_of_a_millisecond_is_waited_for_too(void **state)
{
    (void)state;
    struct bv_deadline d = {bv_clock_ns(CLOCK_MONOTONIC) + 900000000000LL + 1};
    assert_in_range(bv_deadline_ms(d), 899000, 900001);
    /* 0 would make poll(2) spin until the time has come. */
    struct bv_deadline soon = {bv_clock_ns(CLOCK_MONOTONIC) + 400000};
    int ms = bv_deadline_ms(soon);
    assert_true(ms == 1 || bv_deadline_passed(soon));
}

static void a_deadline_in_the_far_future_is_cut_to_what_poll_takes(void **state)
{
    (void)state;
    struct bv_deadline d = bv_deadline_in(86400.0 * 365);
    assert_false(bv_deadline_passed(d));
    assert_int_equal(bv_deadline_ms(d), INT_MAX);
}

static void time_is_written_in_utc_with_milliseconds(void **state)
{
    (void)state;
    char text[BV_TIME_TEXT];
    setenv("TZ", "Asia/Tokyo", 1);
    bv_time_text(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    bv_time_text(1795296245123999999LL, text);
    assert_string_equal(text, "2026-11-21T21:24:05.123Z");
    bv_time_text(951782400000000000LL + 999000000, text);
    assert_string_equal(text, "2000-02-29T00:00:00.999Z");
}

static void time_comes_back_from_its_text(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "2026-11-21",
                                      "2026-11-21T21:24:05",
                                      "2026-11-21T21:24:05.123",
                                      "2026-11-21T21:24:05.123+01:00",
                                      "2026-11-21 21:24:05Z",
                                      "2026-13-21T21:24:05Z",
                                      "2026-00-21T21:24:05Z",
                                      "2026-11-21T24:24:05Z",
                                      "2026-11-21T21:60:05Z",
                                      "2026-11-00T21:20:05Z",
                                      "1969-12-31T23:59:59Z",
                                      "9999-12-31T23:59:59Z",
                                      "+026-11-21T21:24:05Z",
                                      "2026-11-21T21:24:05.1234567890Z",
                                      "2026-11-21T21:24:05Zx"};
    int64_t ns = 7;
    setenv("TZ", "Asia/Tokyo", 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(bv_time_parse(bad[i], &ns), -1);
    assert_int_equal(ns, 7);
    assert_int_equal(bv_time_parse("2026-11-21T21:24:05.123Z", &ns), 0);
    assert_int_equal(ns, 1795296245123000000LL);
    assert_int_equal(bv_time_parse("1970-01-01T00:00:00Z", &ns), 0);
    assert_int_equal(ns, 0);
    assert_int_equal(bv_time_parse("2261-12-31T23:59:60.999999999Z", &ns), 0);
    assert_true(ns > 0);
}

static void a_clock_is_read_in_nanoseconds(void **state)
{
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    int64_t now = bv_clock_ns(CLOCK_REALTIME);
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(now >= before.tv_sec * BV_NSEC_PER_SEC + before.tv_nsec);
    assert_true(now <= after.tv_sec * BV_NSEC_PER_SEC + after.tv_nsec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_seconds_are_a_deadline_that_never_comes),
        cmocka_unit_test(a_deadline_passes_when_its_time_has_come),
        cmocka_unit_test(the_last_fraction_of_a_millisecond_is_waited_for_too),
        cmocka_unit_test(a_deadline_in_the_far_future_is_cut_to_what_poll_takes),
        cmocka_unit_test(time_is_written_in_utc_with_milliseconds),
        cmocka_unit_test(time_comes_back_from_its_text),
        cmocka_unit_test(a_clock_is_read_in_nanoseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
