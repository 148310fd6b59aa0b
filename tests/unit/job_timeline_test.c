/* SPDX-License-Identifier: Apache-2.0 */
/* What a history sums up to: each test is a history of a few lines, in seconds after an hour. */
#include "store_fixture.h"

#include <math.h>
#include <stdarg.h>

#include "base/clock.h"
#include "job/timeline.h"
#include "store/attempt.h"
#include "store/event.h"

#define HOUR_NS (1795293600ll * BV_NSEC_PER_SEC) /* 2026-11-21T20:40:00Z */

static int64_t at_ns(double seconds)
{
    return HOUR_NS + (int64_t)(seconds * 1e9);
}

/* Takes the reference of `fields`. */
static void add(json_t *events, double seconds, int attempt, const char *event, json_t *fields)
{
    char time[BV_TIME_TEXT];
    bv_time_text(at_ns(seconds), time);
    bv_json_set(fields, "time", json_string(time));
    bv_json_set(fields, "attempt", json_integer(attempt));
    bv_json_set(fields, "event", json_string(event));
    bv_json_append(events, fields);
}

static void started(json_t *events, double at, int attempt)
{
    add(events, at, attempt, "started", json_pack("{s:s}", "host", "one"));
}

static void restarted(json_t *events, double at, int attempt, int generation)
{
    add(events, at, attempt, "restarted",
        json_pack("{s:s, s:i, s:f}", "host", "two", "generation", generation, "restore_s", 0.5));
}

/* The freeze of one second ends at `thawed`; two more until the commit. */
static void checkpointed(json_t *events, double thawed, int attempt, int generation)
{
    add(events, thawed + 2, attempt, "checkpointed",
        json_pack("{s:i, s:s, s:f, s:f, s:f, s:f, s:i}", "generation", generation, "why", "period", "frozen_s", 1.0,
                  "write_s", 1.5, "sync_s", 0.5, "total_s", 3.25, "stored_bytes", 4096));
}

static void ended(json_t *events, double at, int attempt, const char *status, int number)
{
    add(events, at, attempt, "ended", json_pack("{s:s, s:i, s:f}", "status", status, "number", number, "cpu_s", 2.5));
}

#define assert_seconds(is, expected)                                                                                   \
    do {                                                                                                               \
        if (fabs((is) - (expected)) > 1e-3)                                                                            \
            fail_msg("%s is %f, not %f", #is, (double)(is), (double)(expected));                                       \
    } while (0)

static struct bv_timeline build(json_t *events, const struct bv_timeline_facts *facts)
{
    static const struct bv_timeline_facts none = {0};
    struct bv_timeline t;
    bv_timeline_build(events, facts ? facts : &none, &t);
    return t;
}

static void a_job_without_history_sums_up_to_nothing(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    autotimeline struct bv_timeline t = build(events, NULL);
    assert_int_equal(t.attempts, 0);
    assert_seconds(t.running_s, 0);
    assert_true(t.efficiency < 0);
}

static void an_undisturbed_job_runs_at_full_efficiency(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    add(events, 0, 0, "submitted", json_object());
    started(events, 1, 0);
    ended(events, 101, 0, "exited", 3);
    autotimeline struct bv_timeline t = build(events, NULL);
    assert_int_equal(t.attempts, 1);
    assert_int_equal(t.attempt[0].end, BV_ATTEMPT_EXITED);
    assert_int_equal(t.attempt[0].end_number, 3);
    assert_seconds(t.running_s, 100);
    assert_seconds(t.lost_s, 0);
    assert_seconds(t.cpu_s, 2.5);
    assert_seconds(t.efficiency, 1);
}

/* 0 to 60, checkpoint at 21 (position 20), killed; 100 to 140 from there. */
static json_t *killed_and_continued(void)
{
    json_t *events = json_array();
    started(events, 0, 0);
    checkpointed(events, 21, 0, 1);
    restarted(events, 100, 1, 1);
    ended(events, 140, 1, "exited", 0);
    return events;
}

static void what_ran_behind_the_checkpoint_is_lost_and_what_ran_before_is_saved(void **state)
{
    (void)state;
    autojson json_t *events = killed_and_continued();
    int64_t seen[] = {at_ns(61), at_ns(139)};
    struct bv_timeline_facts facts = {.seen_ns = seen, .seen_count = 2, .now_ns = at_ns(500)};
    autotimeline struct bv_timeline t = build(events, &facts);
    assert_int_equal(t.attempts, 2);
    assert_int_equal(t.attempt[0].end, BV_ATTEMPT_LOST);
    assert_seconds(t.checkpoint[0].position_s, 20);
    assert_seconds(t.attempt[0].running_s, 60);
    assert_seconds(t.attempt[0].frozen_s, 1);
    assert_seconds(t.attempt[0].lost_s, 40);
    assert_seconds(t.attempt[1].saved_s, 20);
    assert_seconds(t.attempt[1].lost_s, 0);
    assert_seconds(t.running_s, 100);
    assert_seconds(t.saved_s, 20);
    assert_seconds(t.efficiency, 60 / 101.5);
}

static void without_a_lease_to_look_at_the_last_event_is_the_last_sign(void **state)
{
    (void)state;
    autojson json_t *events = killed_and_continued();
    autotimeline struct bv_timeline t = build(events, NULL);
    assert_int_equal(t.attempt[0].ended_ns, at_ns(23));
    assert_seconds(t.attempt[0].lost_s, 2);
}

static void a_sign_of_life_after_the_next_start_is_a_clock_that_differs(void **state)
{
    (void)state;
    autojson json_t *events = killed_and_continued();
    int64_t seen[] = {at_ns(7000), at_ns(139)};
    struct bv_timeline_facts facts = {.seen_ns = seen, .seen_count = 2};
    autotimeline struct bv_timeline t = build(events, &facts);
    assert_int_equal(t.attempt[0].ended_ns, at_ns(100));
}

static void times_that_go_back_are_no_time(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    started(events, 500, 0);
    checkpointed(events, 100, 0, 1);
    ended(events, 50, 0, "checkpointed", 0);
    restarted(events, 20, 1, 1);
    ended(events, 30, 1, "exited", 0);
    autotimeline struct bv_timeline t = build(events, NULL);
    assert_seconds(t.attempt[0].running_s, 0);
    assert_seconds(t.attempt[0].frozen_s, 0);
    assert_seconds(t.running_s, 10);
    assert_seconds(t.lost_s, 0);
}

static void a_job_that_a_checkpoint_ends_is_frozen_until_its_commit(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    started(events, 0, 0);
    add(events, 32, 0, "checkpointed",
        json_pack("{s:i, s:s, s:f, s:f, s:f, s:f, s:b}", "generation", 1, "why", "request", "frozen_s", 2.0, "write_s",
                  1.5, "sync_s", 0.5, "total_s", 3.25, "ended", 1));
    ended(events, 33, 0, "checkpointed", 0);
    restarted(events, 100, 1, 1); /* from 30 */
    ended(events, 105, 1, "exited", 0);
    autotimeline struct bv_timeline t = build(events, NULL);
    assert_seconds(t.attempt[0].running_s, 30);
    assert_seconds(t.saved_s, 30);
    assert_seconds(t.lost_s, 0);
}

static void a_fall_back_loses_the_work_of_earlier_attempts_too(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    started(events, 0, 0);
    checkpointed(events, 11, 0, 1);
    checkpointed(events, 32, 0, 2);
    ended(events, 34, 0, "checkpointed", 0); /* @2 is at 30, and is the end */
    restarted(events, 100, 1, 2);
    ended(events, 120, 1, "signaled", 9); /* 30 to 50 */
    restarted(events, 200, 2, 1);
    ended(events, 205, 2, "exited", 0); /* 10 to 15 */
    autotimeline struct bv_timeline t = build(events, NULL);
    assert_seconds(t.attempt[0].running_s, 30);
    assert_seconds(t.attempt[0].frozen_s, 4);
    assert_seconds(t.attempt[0].lost_s, 20);
    assert_seconds(t.attempt[1].lost_s, 20);
    assert_seconds(t.attempt[2].lost_s, 0);
    assert_seconds(t.saved_s, 40);
    assert_seconds(t.running_s - t.lost_s, 15);
}

static void a_start_from_the_beginning_loses_everything(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    started(events, 0, 0);
    started(events, 50, 1);
    ended(events, 60, 1, "exited", 0);
    int64_t seen[] = {at_ns(40), at_ns(60)};
    struct bv_timeline_facts facts = {.seen_ns = seen, .seen_count = 2};
    autotimeline struct bv_timeline t = build(events, &facts);
    assert_seconds(t.attempt[0].lost_s, 40);
    assert_seconds(t.saved_s, 0);
}

static void of_an_interrupted_job_what_is_behind_its_newest_kept_checkpoint_is_lost(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    started(events, 0, 0);
    checkpointed(events, 11, 0, 1);
    checkpointed(events, 32, 0, 2);
    int64_t seen[] = {at_ns(62)};
    unsigned kept[] = {1};
    struct bv_timeline_facts facts = {.seen_ns = seen, .seen_count = 1, .kept = kept, .kept_count = 1};
    autotimeline struct bv_timeline t = build(events, &facts);
    assert_seconds(t.lost_s, 50);
    assert_true(t.checkpoint[0].kept);
    assert_false(t.checkpoint[1].kept);
}

static void of_a_job_that_runs_nothing_is_lost_yet(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    started(events, 0, 0);
    int64_t seen[] = {at_ns(60)};
    struct bv_timeline_facts facts = {.seen_ns = seen, .seen_count = 1, .alive = 1, .now_ns = at_ns(80)};
    autotimeline struct bv_timeline t = build(events, &facts);
    assert_int_equal(t.attempt[0].end, BV_ATTEMPT_ALIVE);
    assert_seconds(t.running_s, 80);
    assert_seconds(t.lost_s, 0);
}

static void an_attempt_that_died_before_it_wrote_a_line_is_told_of(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    started(events, 0, 0);
    checkpointed(events, 11, 0, 1);
    restarted(events, 100, 2, 1);
    int64_t seen[] = {at_ns(40), at_ns(70), at_ns(120), at_ns(130)};
    unsigned kept[] = {1};
    struct bv_timeline_facts facts = {.seen_ns = seen, .seen_count = 4, .kept = kept, .kept_count = 1};
    autotimeline struct bv_timeline t = build(events, &facts);
    assert_int_equal(t.attempts, 4);
    assert_int_equal(t.attempt[1].number, 1);
    assert_int_equal(t.attempt[1].end, BV_ATTEMPT_LOST);
    assert_int_equal(t.attempt[1].begun_ns, 0);
    assert_int_equal(t.attempt[1].ended_ns, at_ns(70));
    assert_seconds(t.attempt[1].running_s, 0);
    assert_int_equal(t.attempt[3].number, 3);
    assert_seconds(t.attempt[0].lost_s, 29);
}

static void the_end_that_the_store_knows_counts_where_the_line_is_missing(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    started(events, 0, 0);
    autojson json_t *outcome = json_pack("{s:s, s:i}", "status", "exited", "number", 4);
    int64_t seen[] = {at_ns(40)};
    struct bv_timeline_facts facts = {.seen_ns = seen, .seen_count = 1, .outcome = outcome};
    autotimeline struct bv_timeline t = build(events, &facts);
    assert_int_equal(t.attempt[0].end, BV_ATTEMPT_EXITED);
    assert_int_equal(t.attempt[0].end_number, 4);
    assert_seconds(t.running_s, 40);
}

static void an_imported_job_counts_its_attempts_anew(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    started(events, 0, 0);
    checkpointed(events, 21, 0, 1);
    add(events, 50, 0, "imported", json_pack("{s:s, s:i}", "from", "origin", "generation", 1));
    restarted(events, 100, 0, 1);
    ended(events, 110, 0, "exited", 0);
    int64_t seen[] = {at_ns(105)};
    struct bv_timeline_facts facts = {.seen_ns = seen, .seen_count = 1};
    autotimeline struct bv_timeline t = build(events, &facts);
    assert_int_equal(t.attempts, 2);
    assert_int_equal(t.attempt[0].end, BV_ATTEMPT_LEFT);
    assert_int_equal(t.attempt[1].number, 0);
    assert_int_equal(t.attempt[1].end, BV_ATTEMPT_EXITED);
    assert_seconds(t.attempt[1].saved_s, 20);
    assert_seconds(t.attempt[0].lost_s, 2);
}

static void lies_do_no_harm(void **state)
{
    (void)state;
    autojson json_t *events = json_array();
    started(events, 0, 0);
    add(events, 5, 0, "checkpointed",
        json_pack("{s:f, s:i, s:s}", "frozen_s", -7.0, "generation", 1, "raw_bytes", "x"));
    add(events, 6, 0, "checkpointed", json_pack("{s:f, s:i}", "frozen_s", 1e300, "generation", 2));
    add(events, 7, 0, "checkpointed", json_pack("{s:I}", "generation", (json_int_t)1 << 40));
    add(events, 8, 0, "checkpointed", json_pack("{s:f, s:i}", "frozen_s", 9e9, "generation", 3));
    add(events, 9, -5, "ended", json_pack("{s:i}", "status", 4));
    bv_json_append(events, json_pack("{s:s, s:s}", "event", "started", "time", "yesterday"));
    bv_json_append(events, json_pack("{s:s, s:i}", "event", "unreadable", "lines", 4));
    bv_json_append(events, json_null());
    restarted(events, 10, 1, 77);
    autotimeline struct bv_timeline t = build(events, NULL);
    assert_int_equal(t.checkpoints, 3);
    assert_true(t.checkpoint[0].frozen_s < 0);
    assert_int_equal(t.checkpoint[0].raw_bytes, 0);
    assert_seconds(t.attempt[0].frozen_s, 9);
    assert_seconds(t.attempt[0].running_s, 0);
    assert_seconds(t.attempt[1].position_s, 0);
    assert_true(t.efficiency >= 0 && t.efficiency <= 1);
}

/* --- from a store --- */

static void a_checkpoint_that_the_history_does_not_know_is_told_of_by_its_manifest(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[5000];
    struct bv_attempt attempt;
    struct bv_attempt_claim how = {0};
    assert_ok(bv_attempt_claim(&f->job, &how, &attempt, &err));
    assert_ok(bv_event_append(&f->job, "started", 0, NULL, &err));
    fill_random(bytes, sizeof(bytes), 3);
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    add_stream(w, "memory", bytes, sizeof(bytes));
    commit_generation(&f->job, w, 1, 0);

    autotimeline struct bv_timeline t = {0};
    assert_ok(bv_timeline_read(&f->job, &t, &err));
    assert_int_equal(t.checkpoints, 1);
    assert_int_equal(t.checkpoint[0].generation, 1);
    assert_int_equal(t.checkpoint[0].raw_bytes, sizeof(bytes));
    assert_true(t.checkpoint[0].kept);
    assert_int_equal(t.attempts, 1);
    assert_int_equal(t.attempt[0].end, BV_ATTEMPT_ALIVE);

    autojson json_t *outcome = json_pack("{s:s, s:i}", "status", "exited", "number", 0);
    assert_ok(bv_attempt_end(&attempt, outcome, &err));
    bv_attempt_close(&attempt);
    autotimeline struct bv_timeline over = {0};
    assert_ok(bv_timeline_read(&f->job, &over, &err));
    assert_int_equal(over.attempt[0].end, BV_ATTEMPT_EXITED);
    autojson json_t *all = bv_timeline_json(&over);
    const json_t *one = json_array_get(json_object_get(all, "attempts"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "end")), "exited");
    assert_true(json_is_null(json_object_get(one, "cpu_s")));
}

static void when_an_attempt_was_seen_is_told_by_our_clock(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt attempt;
    struct bv_attempt_claim how = {0};
    autofree int64_t *none = NULL, *seen = NULL;
    size_t count = 7;
    assert_ok(bv_attempt_seen(&f->job, &none, &count, &err));
    assert_int_equal(count, 0);
    int64_t before = bv_clock_ns(CLOCK_REALTIME);
    assert_ok(bv_attempt_claim(&f->job, &how, &attempt, &err));
    bv_attempt_close(&attempt);
    assert_ok(bv_attempt_seen(&f->job, &seen, &count, &err));
    assert_int_equal(count, 1);
    /* A file's time is that of the last tick. */
    assert_true(seen[0] > before - BV_NSEC_PER_SEC && seen[0] < bv_clock_ns(CLOCK_REALTIME) + BV_NSEC_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_without_history_sums_up_to_nothing),
        cmocka_unit_test(an_undisturbed_job_runs_at_full_efficiency),
        cmocka_unit_test(what_ran_behind_the_checkpoint_is_lost_and_what_ran_before_is_saved),
        cmocka_unit_test(without_a_lease_to_look_at_the_last_event_is_the_last_sign),
        cmocka_unit_test(a_sign_of_life_after_the_next_start_is_a_clock_that_differs),
        cmocka_unit_test(times_that_go_back_are_no_time),
        cmocka_unit_test(a_job_that_a_checkpoint_ends_is_frozen_until_its_commit),
        cmocka_unit_test(a_fall_back_loses_the_work_of_earlier_attempts_too),
        cmocka_unit_test(a_start_from_the_beginning_loses_everything),
        cmocka_unit_test(of_an_interrupted_job_what_is_behind_its_newest_kept_checkpoint_is_lost),
        cmocka_unit_test(of_a_job_that_runs_nothing_is_lost_yet),
        cmocka_unit_test(an_attempt_that_died_before_it_wrote_a_line_is_told_of),
        cmocka_unit_test(the_end_that_the_store_knows_counts_where_the_line_is_missing),
        cmocka_unit_test(an_imported_job_counts_its_attempts_anew),
        cmocka_unit_test(lies_do_no_harm),
        store_test(a_checkpoint_that_the_history_does_not_know_is_told_of_by_its_manifest),
        store_test(when_an_attempt_was_seen_is_told_by_our_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
