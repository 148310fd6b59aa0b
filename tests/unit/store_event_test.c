/* SPDX-License-Identifier: Apache-2.0 */
/* The history of a job outlives crashes in the middle of a line. */
#include "store_fixture.h"

#include "store/event.h"
#include "store/event_parse.h"

static const char *event_name(const json_t *events, size_t i)
{
    const char *name = json_string_value(json_object_get(json_array_get(events, i), "event"));
    return name ? name : "";
}

static void append_raw(struct fixture *f, const char *text)
{
    autoclose int fd = openat(f->job.dirfd, "events.jsonl", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(bv_write_full(fd, text, strlen(text)), 0);
}

static void a_job_without_history_has_no_events(void **state)
{
    struct fixture *f = *state;
    autojson json_t *events = NULL;
    assert_ok(bv_event_read(&f->job, &events, &err));
    assert_int_equal(json_array_size(events), 0);
}

static void events_come_back_in_order_with_their_fields(void **state)
{
    struct fixture *f = *state;
    autojson json_t *fields = json_pack("{s:i, s:s}", "generation", 4, "event", "overridden");
    autojson json_t *events = NULL;
    assert_ok(bv_event_append(&f->job, "started", 0, NULL, &err));
    assert_ok(bv_event_append(&f->job, "checkpointed", 2, fields, &err));
    assert_int_equal(json_object_size(fields), 2);
    assert_ok(bv_event_read(&f->job, &events, &err));
    assert_int_equal(json_array_size(events), 2);
    assert_string_equal(event_name(events, 0), "started");
    assert_string_equal(event_name(events, 1), "checkpointed");
    const json_t *second = json_array_get(events, 1);
    assert_int_equal(json_integer_value(json_object_get(second, "generation")), 4);
    assert_int_equal(json_integer_value(json_object_get(second, "attempt")), 2);
    assert_true(json_is_string(json_object_get(second, "time")));
    assert_true(json_is_string(json_object_get(second, "host")));
}

static void a_torn_last_line_is_left_out_and_does_not_spoil_the_next(void **state)
{
    struct fixture *f = *state;
    autojson json_t *before = NULL, *after = NULL;
    assert_ok(bv_event_append(&f->job, "started", 0, NULL, &err));
    append_raw(f, "{\"attempt\":0,\"ev");
    assert_ok(bv_event_read(&f->job, &before, &err));
    assert_int_equal(json_array_size(before), 1);

    assert_ok(bv_event_append(&f->job, "ended", 0, NULL, &err));
    assert_ok(bv_event_read(&f->job, &after, &err));
    assert_int_equal(json_array_size(after), 3);
    assert_string_equal(event_name(after, 1), "unreadable");
    assert_string_equal(event_name(after, 2), "ended");
}

static void lines_that_are_no_events_are_counted(void **state)
{
    struct fixture *f = *state;
    autojson json_t *events = NULL;
    append_raw(f, "nonsense\n[]\n{}\n{\"event\":1,\"time\":\"\"}\n\n");
    assert_ok(bv_event_append(&f->job, "ended", 0, NULL, &err));
    assert_ok(bv_event_read(&f->job, &events, &err));
    assert_int_equal(json_array_size(events), 2);
    assert_string_equal(event_name(events, 0), "unreadable");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(events, 0), "lines")), 4);
}

static void only_the_end_of_a_long_history_is_read(void **state)
{
    struct fixture *f = *state;
    autojson json_t *events = NULL;
    autoclose int fd = openat(f->job.dirfd, "events.jsonl", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 100ll << 30), 0); /* zeros: one long line without an end */
    assert_ok(bv_event_append(&f->job, "started", 0, NULL, &err));
    assert_ok(bv_event_append(&f->job, "ended", 0, NULL, &err));
    assert_ok(bv_event_read(&f->job, &events, &err));
    assert_int_equal(json_array_size(events), 2);
    assert_string_equal(event_name(events, 0), "started");
}

static void a_history_that_is_no_file_is_refused(void **state)
{
    struct fixture *f = *state;
    autojson json_t *events = NULL;
    assert_int_equal(mkfifoat(f->job.dirfd, "events.jsonl", 0600), 0);
    assert_fails(BV_ECORRUPT, bv_event_read(&f->job, &events, &err));
    assert_int_equal(bv_event_append(&f->job, "ended", 0, NULL, NULL), -1);
    assert_int_equal(unlinkat(f->job.dirfd, "events.jsonl", 0), 0);
    assert_int_equal(symlinkat("job.json", f->job.dirfd, "events.jsonl"), 0);
    assert_int_equal(bv_event_append(&f->job, "ended", 0, NULL, NULL), -1);
    assert_int_equal(bv_event_read(&f->job, &events, NULL), -1);
}

static void an_event_too_long_to_be_read_is_not_written(void **state)
{
    struct fixture *f = *state;
    autofree char *text = bv_alloc(300000);
    memset(text, 'x', 299999);
    autojson json_t *fields = json_pack("{s:s}", "log", text);
    assert_fails(BV_EINTERNAL, bv_event_append(&f->job, "ended", 0, fields, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_job_without_history_has_no_events),
        store_test(events_come_back_in_order_with_their_fields),
        store_test(a_torn_last_line_is_left_out_and_does_not_spoil_the_next),
        store_test(lines_that_are_no_events_are_counted),
        store_test(only_the_end_of_a_long_history_is_read),
        store_test(a_history_that_is_no_file_is_refused),
        store_test(an_event_too_long_to_be_read_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
