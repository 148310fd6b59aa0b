/* SPDX-License-Identifier: Apache-2.0 */
/* What a scheduler's watcher may say, and what of a history the policy believes. */
#include "unit.h"

#include "base/clock.h"
#include "job/advice.h"
#include "job/past.h"

static int parse(const char *text, struct bv_advice *ret, struct bv_error *parse_err)
{
    autojson json_t *message = NULL;
    assert_ok(bv_json_parse(text, strlen(text), &message, &err));
    return bv_advice_parse(message, ret, parse_err);
}

static void a_deadline_comes_and_goes(void **state)
{
    (void)state;
    struct bv_advice a;
    assert_ok(parse("{\"is\":\"deadline\",\"at\":1795309870,\"why\":\"limit\"}", &a, &err));
    assert_int_equal(a.kind, BV_ADVICE_DEADLINE);
    assert_int_equal(a.at_ns, 1795309870 * BV_NSEC_PER_SEC);
    assert_string_equal(a.why, "limit");
    assert_ok(parse("{\"is\":\"deadline\",\"at\":null}", &a, &err));
    assert_int_equal(a.at_ns, 0);
    assert_ok(parse("{\"is\":\"deadline\",\"at\":1795309870.5}", &a, &err));
    assert_int_equal(a.at_ns % BV_NSEC_PER_SEC, BV_NSEC_PER_SEC / 2);
}

static void the_other_three(void **state)
{
    (void)state;
    struct bv_advice a;
    assert_ok(parse("{\"is\":\"stop\",\"grace\":30}", &a, &err));
    assert_int_equal(a.kind, BV_ADVICE_STOP);
    assert_true(a.grace == 30);
    assert_string_equal(a.why, "preempt");
    assert_ok(parse("{\"is\":\"checkpoint\",\"why\":\"signal:SIGUSR1\"}", &a, &err));
    assert_int_equal(a.kind, BV_ADVICE_CHECKPOINT);
    assert_string_equal(a.why, "signal:SIGUSR1");
    assert_ok(parse("{\"is\":\"note\",\"text\":\"the node is \\u001b[31mdrained\\u00e9\",\"more\":[1]}", &a, &err));
    assert_int_equal(a.kind, BV_ADVICE_NOTE);
    assert_string_equal(a.text, "the node is ?[31mdrained??");
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "{\"is\":1}",
        "{\"is\":\"kill\"}",
        "{\"is\":\"deadline\"}",
        "{\"is\":\"deadline\",\"at\":-1}",
        "{\"is\":\"deadline\",\"at\":\"1795309870\"}",
        "{\"is\":\"deadline\",\"at\":1e18}",
        "{\"is\":\"deadline\",\"at\":9e18}",
        "{\"is\":\"deadline\",\"at\":0,\"why\":\"\"}",
        "{\"is\":\"deadline\",\"at\":0,\"why\":\"a b\"}",
        "{\"is\":\"deadline\",\"at\":0,\"why\":\"x\\ny\"}",
        "{\"is\":\"deadline\",\"at\":0,\"why\":7}",
        "{\"is\":\"stop\"}",
        "{\"is\":\"stop\",\"grace\":-0.1}",
        "{\"is\":\"stop\",\"grace\":604801}",
        "{\"is\":\"stop\",\"grace\":true}",
        "{\"is\":\"checkpoint\",\"why\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
        "{\"is\":\"note\"}",
        "{\"is\":\"note\",\"text\":\"\"}",
        "{\"is\":\"note\",\"text\":[]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bv_advice a = {.kind = BV_ADVICE_NOTE, .text = "untouched"};
        assert_fails(BV_EPROTO, parse(bad[i], &a, &err));
        assert_string_equal(a.text, "untouched");
    }
}

static void a_long_note_is_cut(void **state)
{
    (void)state;
    struct bv_advice a;
    char text[4096];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    autojson json_t *message = json_pack("{s:s, s:s}", "is", "note", "text", text);
    assert_ok(bv_advice_parse(message, &a, &err));
    assert_int_equal(strlen(a.text), sizeof(a.text) - 1);
}

/* --- the past --- */

static struct bv_past past_of(const char *text, unsigned attempt)
{
    autojson json_t *events = NULL;
    assert_ok(bv_json_parse(text, strlen(text), &events, &err));
    return bv_past_read(events, attempt);
}

#define AT(second) "\"time\":\"2026-11-22T00:00:" second "Z\""

static void the_past_of_a_new_job_is_empty(void **state)
{
    (void)state;
    struct bv_past p = past_of("[]", 0);
    assert_int_equal(p.costs.count, 0);
    assert_true(p.run_s == 0);
    assert_false(p.no_progress);
}

static void costs_and_times_are_those_of_the_history(void **state)
{
    (void)state;
    struct bv_past p = past_of(
        "[{" AT(
            "00.000") ",\"event\":\"submitted\",\"attempt\":0},"
                      "{" AT(
                          "01.000") ",\"event\":\"started\",\"attempt\":0},"
                                    "{" AT(
                                        "05.000") ",\"event\":\"checkpointed\",\"attempt\":0,\"total_s\":2.5,"
                                                  "\"frozen_s\":0.5,\"memory_bytes\":1000,\"verify_s\":0.5},"
                                                  "{" AT(
                                                      "06.000") ",\"event\":\"ended\",\"attempt\":0},"
                                                                "{" AT(
                                                                    "10.000") ",\"event\":\"restarted\",\"attempt\":1},"
                                                                              "{" AT(
                                                                                  "12.500") ",\"event\":\"checkpointed\",\"attempt\":1,\"total_s\":1},"
                                                                                            "{" AT(
                                                                                                "30.000") ",\"event\":\"removed\",\"attempt\":7},"
                                                                                                          "{" AT(
                                                                                                              "31.000") ",\"event\":\"no-progress\",\"attempt\":1}]",
        2);
    assert_int_equal(p.costs.count, 2);
    assert_true(p.costs.recent[0].total_s == 3 && p.costs.recent[0].frozen_s == 0.5);
    assert_int_equal(p.costs.recent[0].memory, 1000);
    assert_true(p.costs.recent[1].total_s == 1);
    assert_true(p.run_s > 25.99 && p.run_s < 26.01); /* 5 s, and 21 s */
    assert_true(p.no_progress);
}

static void only_the_attempt_before_counts(void **state)
{
    (void)state;
    static const char one[] = "[{" AT("31.000") ",\"event\":\"no-progress\",\"attempt\":1}]";
    assert_true(past_of(one, 2).no_progress);
    assert_false(past_of(one, 3).no_progress);
    assert_false(past_of(one, 1).no_progress);
}

static void nonsense_in_a_history_does_no_harm(void **state)
{
    (void)state;
    struct bv_past p = past_of(
        "[1, null, {}, {\"event\":\"started\"}, {\"event\":\"unreadable\",\"lines\":3},"
        "{" AT(
            "50.000") ",\"event\":\"started\",\"attempt\":0},"
                      "{" AT(
                          "10.000") ",\"event\":\"restarted\",\"attempt\":1},"
                                    "{\"time\":\"yesterday\",\"event\":\"checkpointed\",\"attempt\":1,\"total_s\":1},"
                                    "{" AT(
                                        "11.000") ",\"event\":\"checkpointed\",\"attempt\":1,\"total_s\":\"1\"},"
                                                  "{" AT(
                                                      "12.000") ",\"event\":\"checkpointed\",\"attempt\":1,\"total_s\":-4},"
                                                                "{" AT(
                                                                    "13.000") ",\"event\":\"checkpointed\",\"attempt\":1,\"total_s\":1e30,"
                                                                              "\"memory_bytes\":-5},"
                                                                              "{" AT(
                                                                                  "14.000") ",\"event\":\"checkpointed\",\"attempt\":\"x\",\"total_s\":1}]",
        2);
    assert_int_equal(p.costs.count, 0);
    assert_true(p.run_s >= 0 && p.run_s < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_comes_and_goes),      cmocka_unit_test(the_other_three),
        cmocka_unit_test(what_makes_no_sense_is_refused), cmocka_unit_test(a_long_note_is_cut),
        cmocka_unit_test(the_past_of_a_new_job_is_empty), cmocka_unit_test(costs_and_times_are_those_of_the_history),
        cmocka_unit_test(only_the_attempt_before_counts), cmocka_unit_test(nonsense_in_a_history_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
