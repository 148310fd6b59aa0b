/* SPDX-License-Identifier: Apache-2.0 */
/* A timeline from the store, and as JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "job/timeline.h"
#include "store/attempt.h"
#include "store/event.h"
#include "store/generation.h"

static const char *event_of(const json_t *e)
{
    const char *name = json_string_value(json_object_get(e, "event"));
    return name ? name : "";
}

static int is_told(const json_t *events, unsigned generation)
{
    for (size_t i = json_array_size(events); i-- > 0;) {
        const json_t *e = json_array_get(events, i);
        if (strcmp(event_of(e), "checkpointed") == 0 &&
            json_integer_value(json_object_get(e, "generation")) == (json_int_t)generation)
            return 1;
    }
    return 0;
}

/* As the supervisor would have told it, as far as a manifest knows. */
static json_t *event_of_manifest(const struct bv_gen *g)
{
    static const char *const totals[] = {"raw_bytes", "new_bytes", "stored_bytes"};
    const json_t *manifest = bv_gen_manifest(g), *content = bv_gen_content(g);
    json_int_t frozen = json_integer_value(json_object_get(content, "frozen_ns"));
    json_t *e = json_object();
    bv_json_set(e, "event", json_string("checkpointed"));
    bv_json_set(e, "time", json_incref(json_object_get(manifest, "created")));
    bv_json_set(e, "attempt", json_incref(json_object_get(manifest, "attempt")));
    bv_json_set(e, "generation", json_incref(json_object_get(manifest, "generation")));
    if (json_object_get(content, "reason"))
        bv_json_set(e, "why", json_incref(json_object_get(content, "reason")));
    if (frozen > 0)
        bv_json_set(e, "frozen_s", json_real((double)frozen / 1e9));
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        json_t *value = json_object_get(json_object_get(manifest, "totals"), totals[i]);
        if (value)
            bv_json_set(e, totals[i], json_incref(value));
    }
    return e;
}

/* Behind what its attempt has told before its end. */
static void insert(json_t *events, json_t *event)
{
    json_int_t attempt = json_integer_value(json_object_get(event, "attempt"));
    size_t at = json_array_size(events);
    for (size_t i = at; i-- > 0;) {
        const json_t *e = json_array_get(events, i);
        const char *name = event_of(e);
        if (strcmp(name, "imported") == 0)
            break;
        if (json_integer_value(json_object_get(e, "attempt")) != attempt || strcmp(name, "ended") == 0 ||
            strcmp(name, "fenced") == 0)
            continue;
        at = i + 1;
        break;
    }
    json_array_insert_new(events, at, event);
}

/* A line may be missing of a checkpoint that is there: when it was made, the disk was full, or the power went. */
static void add_untold(const struct bv_job *j, json_t *events, const unsigned *kept, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        autogen struct bv_gen *g = NULL;
        if (!is_told(events, kept[i]) && bv_gen_open(j, kept[i], &g, NULL) == 0)
            insert(events, event_of_manifest(g));
    }
}

int bv_timeline_read(const struct bv_job *j, struct bv_timeline *ret, struct bv_error *err)
{
    autojson json_t *events = NULL;
    autofree unsigned *kept = NULL;
    autofree int64_t *seen = NULL;
    struct bv_timeline_facts facts = {.now_ns = bv_clock_ns(CLOCK_REALTIME)};
    struct bv_attempt_info last = {0};
    if (bv_event_read(j, &events, err) < 0 || bv_generation_list(j, &kept, &facts.kept_count, err) < 0)
        return -1;
    add_untold(j, events, kept, facts.kept_count);
    /* What cannot be told of the attempts is left to the history. */
    bv_attempt_seen(j, &seen, &facts.seen_count, NULL);
    if (bv_attempt_last(j, &last, NULL) > 0) {
        facts.alive = last.alive;
        facts.outcome = last.outcome;
    }
    facts.kept = kept;
    facts.seen_ns = seen;
    bv_timeline_build(events, &facts, ret);
    bv_attempt_info_free(&last);
    return 0;
}

/* --- as JSON --- */

const char *bv_timeline_end_name(enum bv_attempt_end end)
{
    static const char *const names[] = {
        [BV_ATTEMPT_ALIVE] = "running",     [BV_ATTEMPT_EXITED] = "exited",
        [BV_ATTEMPT_SIGNALED] = "signaled", [BV_ATTEMPT_CHECKPOINTED] = "checkpointed",
        [BV_ATTEMPT_STOPPED] = "stopped",   [BV_ATTEMPT_FAILED] = "failed",
        [BV_ATTEMPT_FENCED] = "fenced",     [BV_ATTEMPT_LOST] = "lost",
        [BV_ATTEMPT_LEFT] = "left",
    };
    return names[end];
}

static json_t *time_json(int64_t ns)
{
    char text[BV_TIME_TEXT];
    if (!ns)
        return json_null();
    bv_time_text(ns, text);
    return json_string(text);
}

/* Negative = not known. */
static json_t *known(double value)
{
    return value >= 0 ? json_real(value) : json_null();
}

static json_t *text_or_null(const json_t *string)
{
    return string ? json_deep_copy(string) : json_null();
}

static json_t *attempt_json(const struct bv_timeline_attempt *a)
{
    json_t *j = json_object();
    int over = a->end == BV_ATTEMPT_EXITED || a->end == BV_ATTEMPT_SIGNALED || a->end == BV_ATTEMPT_FAILED;
    bv_json_set(j, "attempt", json_integer(a->number));
    bv_json_set(j, "host", text_or_null(a->host));
    bv_json_set(j, "scheduler", text_or_null(a->scheduler));
    bv_json_set(j, "scheduler_job", text_or_null(a->scheduler_job));
    bv_json_set(j, "begun", time_json(a->begun_ns));
    bv_json_set(j, "ended", a->end == BV_ATTEMPT_ALIVE ? json_null() : time_json(a->ended_ns));
    bv_json_set(j, "end", json_string(bv_timeline_end_name(a->end)));
    bv_json_set(j, "number", over ? json_integer(a->end_number) : json_null());
    bv_json_set(j, "generation", a->generation ? json_integer(a->generation) : json_null());
    bv_json_set(j, "checkpoints", json_integer((json_int_t)a->checkpoints));
    bv_json_set(j, "failures", json_integer((json_int_t)a->failures));
    bv_json_set(j, "restore_s", json_real(a->restore_s));
    bv_json_set(j, "running_s", json_real(a->running_s));
    bv_json_set(j, "frozen_s", json_real(a->frozen_s));
    bv_json_set(j, "lost_s", json_real(a->lost_s));
    bv_json_set(j, "saved_s", json_real(a->saved_s));
    bv_json_set(j, "cpu_s", known(a->cpu_s));
    return j;
}

static json_t *checkpoint_json(const struct bv_timeline *t, const struct bv_timeline_checkpoint *c)
{
    json_t *j = json_object();
    bv_json_set(j, "generation", json_integer(c->generation));
    bv_json_set(j, "attempt", json_integer(t->attempt[c->attempt].number));
    bv_json_set(j, "time", time_json(c->at_ns));
    bv_json_set(j, "why", text_or_null(c->why));
    bv_json_set(j, "kept", json_boolean(c->kept));
    bv_json_set(j, "position_s", json_real(c->position_s));
    bv_json_set(j, "frozen_s", known(c->frozen_s));
    bv_json_set(j, "drain_s", known(c->drain_s));
    bv_json_set(j, "write_s", known(c->write_s));
    bv_json_set(j, "sync_s", known(c->sync_s));
    bv_json_set(j, "total_s", known(c->total_s));
    bv_json_set(j, "raw_bytes", json_integer((json_int_t)c->raw_bytes));
    bv_json_set(j, "new_bytes", json_integer((json_int_t)c->new_bytes));
    bv_json_set(j, "stored_bytes", json_integer((json_int_t)c->stored_bytes));
    return j;
}

json_t *bv_timeline_json(const struct bv_timeline *t)
{
    json_t *all = json_object(), *attempts = json_array(), *checkpoints = json_array(), *totals = json_object();
    for (size_t i = 0; i < t->attempts; i++)
        bv_json_append(attempts, attempt_json(&t->attempt[i]));
    for (size_t i = 0; i < t->checkpoints; i++)
        bv_json_append(checkpoints, checkpoint_json(t, &t->checkpoint[i]));
    bv_json_set(totals, "attempts", json_integer((json_int_t)t->attempts));
    bv_json_set(totals, "checkpoints", json_integer((json_int_t)t->checkpoints));
    bv_json_set(totals, "failures", json_integer((json_int_t)t->failures));
    bv_json_set(totals, "running_s", json_real(t->running_s));
    bv_json_set(totals, "frozen_s", json_real(t->frozen_s));
    bv_json_set(totals, "restore_s", json_real(t->restore_s));
    bv_json_set(totals, "lost_s", json_real(t->lost_s));
    bv_json_set(totals, "saved_s", json_real(t->saved_s));
    bv_json_set(totals, "cpu_s", json_real(t->cpu_s));
    bv_json_set(totals, "efficiency", known(t->efficiency));
    bv_json_set(all, "attempts", attempts);
    bv_json_set(all, "checkpoints", checkpoints);
    bv_json_set(all, "totals", totals);
    return all;
}
