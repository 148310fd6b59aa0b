/* SPDX-License-Identifier: Apache-2.0 */
#include "job/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define NUMBER_MAX    999999u /* of attempts and generations */
#define SECONDS_MAX   1e10    /* of any duration: what is more is a lie */
#define SECONDS_LEAST 1e-3    /* of what was lost: less is rounding */
#define LATE_WRITERS  8       /* attempts that may still write into the history when newer ones do */
#define NONE          SIZE_MAX

/* What is known of an attempt until now, and is of no use to the reader. */
struct progress {
    int64_t last_ns; /* its last event */
    double frozen_s; /* in all its checkpoints */
    double offset_s; /* how long it had run at the last of them; < 0 = there is none */
    size_t origin;   /* the checkpoint that it went on from */
};

struct builder {
    struct bv_timeline *t;
    const struct bv_timeline_facts *facts;
    size_t first;              /* attempt of this job; those before are of the one that it was imported from */
    struct progress *progress; /* of each attempt */
    double *offset_s;          /* of each checkpoint: how long its attempt had run */
    size_t *of_generation;     /* the checkpoint of each that was made last */
    size_t attempt_room, checkpoint_room, generations;
};

static double seconds(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    double s = json_is_number(value) ? json_number_value(value) : -1;
    return s >= 0 && s <= SECONDS_MAX ? s : -1;
}

static double at_least_zero(double s)
{
    return s > 0 ? s : 0;
}

static uint64_t bytes(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 ? (uint64_t)n : 0;
}

static unsigned number_to(const json_t *object, const char *key, unsigned max)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 && n <= (json_int_t)max ? (unsigned)n : 0;
}

static const json_t *text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? value : NULL;
}

static double seconds_between(int64_t from, int64_t to)
{
    return to > from ? (double)(to - from) / (double)BV_NSEC_PER_SEC : 0;
}

/* --- attempts --- */

static size_t add_attempt(struct builder *b, unsigned number, size_t event)
{
    struct bv_timeline *t = b->t;
    if (t->attempts == b->attempt_room) {
        b->attempt_room = b->attempt_room ? b->attempt_room * 2 : 16;
        t->attempt = bv_realloc(t->attempt, b->attempt_room, sizeof(t->attempt[0]));
        b->progress = bv_realloc(b->progress, b->attempt_room, sizeof(b->progress[0]));
    }
    size_t i = t->attempts++;
    t->attempt[i] =
        (struct bv_timeline_attempt){.number = number, .end = BV_ATTEMPT_LOST, .first_event = event, .cpu_s = -1};
    b->progress[i] = (struct progress){.offset_s = -1, .origin = NONE};
    return i;
}

/* Attempts that were claimed, and of which not even a start was written. */
static void add_silent(struct builder *b, unsigned until, size_t event)
{
    const struct bv_timeline *t = b->t;
    unsigned next = t->attempts > b->first ? t->attempt[t->attempts - 1].number + 1 : 0;
    for (; next < until && next < b->facts->seen_count; next++)
        if (b->facts->seen_ns[next])
            add_attempt(b, next, event);
}

/* The attempt that an event is of. */
static size_t find_attempt(struct builder *b, unsigned number, size_t event)
{
    const struct bv_timeline *t = b->t;
    for (size_t i = t->attempts; i > b->first && t->attempts - i < LATE_WRITERS; i--)
        if (t->attempt[i - 1].number == number)
            return i - 1;
    add_silent(b, number, event);
    return add_attempt(b, number, event);
}

static void on_begin(struct builder *b, size_t i, const json_t *e, int64_t at, int restarted)
{
    struct bv_timeline_attempt *a = &b->t->attempt[i];
    if (a->begun_ns)
        return;
    a->begun_ns = at;
    a->host = text(e, "host");
    a->scheduler = text(e, "scheduler");
    a->scheduler_job = text(e, "scheduler_job");
    if (!restarted)
        return;
    a->generation = number_to(e, "generation", NUMBER_MAX);
    a->restore_s = at_least_zero(seconds(e, "restore_s"));
    if (a->generation && a->generation < b->generations)
        b->progress[i].origin = b->of_generation[a->generation];
}

static enum bv_attempt_end end_of(const json_t *outcome)
{
    const char *status = json_string_value(json_object_get(outcome, "status"));
    if (status && strcmp(status, "exited") == 0)
        return BV_ATTEMPT_EXITED;
    if (status && strcmp(status, "signaled") == 0)
        return BV_ATTEMPT_SIGNALED;
    if (status && strcmp(status, "checkpointed") == 0)
        return BV_ATTEMPT_CHECKPOINTED;
    if (status && strcmp(status, "stopped") == 0)
        return BV_ATTEMPT_STOPPED;
    return BV_ATTEMPT_FAILED;
}

static void set_end(struct bv_timeline_attempt *a, enum bv_attempt_end end, const json_t *outcome, int64_t at)
{
    a->end = end;
    a->end_number = (int)number_to(outcome, "number", 255);
    a->cpu_s = seconds(outcome, "cpu_s");
    a->ended_ns = at;
}

/* --- checkpoints --- */

static void remember_generation(struct builder *b, unsigned generation, size_t checkpoint)
{
    if (generation >= b->generations) {
        size_t room = (size_t)generation * 2 + 1;
        b->of_generation = bv_realloc(b->of_generation, room, sizeof(b->of_generation[0]));
        for (size_t i = b->generations; i < room; i++)
            b->of_generation[i] = NONE;
        b->generations = room;
    }
    b->of_generation[generation] = checkpoint;
}

static int is_kept(const struct bv_timeline_facts *f, unsigned generation)
{
    size_t low = 0, high = f->kept_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->kept[middle] == generation)
            return 1;
        if (f->kept[middle] < generation)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static void on_checkpoint(struct builder *b, size_t i, const json_t *e, int64_t at)
{
    struct bv_timeline *t = b->t;
    struct bv_timeline_checkpoint c = {.generation = number_to(e, "generation", NUMBER_MAX), .attempt = i};
    if (!c.generation)
        return;
    c.at_ns = at;
    c.kept = is_kept(b->facts, c.generation);
    c.why = text(e, "why") ? text(e, "why") : text(e, "reason");
    c.frozen_s = seconds(e, "frozen_s");
    c.drain_s = seconds(e, "drain_s");
    c.write_s = seconds(e, "write_s");
    c.sync_s = seconds(e, "sync_s");
    c.total_s = seconds(e, "total_s");
    c.raw_bytes = bytes(e, "raw_bytes");
    c.new_bytes = bytes(e, "new_bytes");
    c.stored_bytes = bytes(e, "stored_bytes");

    if (t->checkpoints == b->checkpoint_room) {
        b->checkpoint_room = b->checkpoint_room ? b->checkpoint_room * 2 : 16;
        t->checkpoint = bv_realloc(t->checkpoint, b->checkpoint_room, sizeof(t->checkpoint[0]));
        b->offset_s = bv_realloc(b->offset_s, b->checkpoint_room, sizeof(b->offset_s[0]));
    }
    /* It is the state of the moment in which the job ran on, not of the commit; one that was ended did not. */
    double behind = json_is_true(json_object_get(e, "ended")) ? 0 : at_least_zero(c.write_s) + at_least_zero(c.sync_s);
    double most = at_least_zero(c.total_s) - at_least_zero(c.frozen_s);
    double ran = seconds_between(t->attempt[i].begun_ns, at);
    b->progress[i].frozen_s += at_least_zero(c.frozen_s);
    b->progress[i].offset_s =
        at_least_zero(ran - b->progress[i].frozen_s - at_least_zero(behind < most ? behind : most));
    b->offset_s[t->checkpoints] = b->progress[i].offset_s;
    t->attempt[i].checkpoints++;
    remember_generation(b, c.generation, t->checkpoints);
    t->checkpoint[t->checkpoints++] = c;
}

/* --- all events --- */

static int is(const char *event, const char *name)
{
    return strcmp(event, name) == 0;
}

/* The job was carried here; what it was before goes on elsewhere, if at all. */
static void on_import(struct builder *b, int64_t at)
{
    for (size_t i = b->first; i < b->t->attempts; i++) {
        struct bv_timeline_attempt *a = &b->t->attempt[i];
        if (a->ended_ns)
            continue;
        a->end = BV_ATTEMPT_LEFT;
        a->ended_ns = b->progress[i].last_ns ? b->progress[i].last_ns : at;
    }
    b->first = b->t->attempts;
}

static void on_event(struct builder *b, size_t index, const json_t *e)
{
    int64_t at;
    const char *time = json_string_value(json_object_get(e, "time"));
    const char *event = json_string_value(json_object_get(e, "event"));
    if (!time || !event || bv_time_parse(time, &at) < 0 || is(event, "submitted"))
        return;
    if (is(event, "imported")) {
        on_import(b, at);
        return;
    }
    size_t i = find_attempt(b, number_to(e, "attempt", NUMBER_MAX), index);
    struct bv_timeline_attempt *a = &b->t->attempt[i];
    if (at > b->progress[i].last_ns)
        b->progress[i].last_ns = at;
    if (is(event, "started") || is(event, "restarted"))
        on_begin(b, i, e, at, is(event, "restarted"));
    else if (is(event, "checkpointed"))
        on_checkpoint(b, i, e, at);
    else if (is(event, "checkpoint-failed"))
        a->failures++;
    else if (is(event, "fenced"))
        set_end(a, BV_ATTEMPT_FENCED, e, at);
    else if (is(event, "ended"))
        set_end(a, end_of(e), e, at);
}

/* --- what follows from all of them --- */

/* An attempt without an end: is it alive, or when was it last? */
static void find_end(struct builder *b, size_t i)
{
    const struct bv_timeline_facts *f = b->facts;
    struct bv_timeline *t = b->t;
    struct bv_timeline_attempt *a = &t->attempt[i];
    int newest = i + 1 == t->attempts && i >= b->first && f->seen_count && a->number == f->seen_count - 1;
    if (a->ended_ns)
        return;
    if (newest && f->alive) {
        a->end = BV_ATTEMPT_ALIVE;
        a->ended_ns = f->now_ns > b->progress[i].last_ns ? f->now_ns : b->progress[i].last_ns;
        return;
    }
    int64_t seen = i >= b->first && a->number < f->seen_count ? f->seen_ns[a->number] : 0;
    int64_t next = i + 1 < t->attempts ? t->attempt[i + 1].begun_ns : 0;
    if (next && seen > next) /* clocks differ */
        seen = next;
    a->ended_ns = seen > b->progress[i].last_ns ? seen : b->progress[i].last_ns;
    if (newest && f->outcome)
        set_end(a, end_of(f->outcome), f->outcome, a->ended_ns);
}

/* Work behind position `p` will be done again. `chain` are the attempts whose work counts, by ascending position. */
static void lose_behind(struct bv_timeline *t, const size_t *chain, size_t *count, double p)
{
    while (*count > 0) {
        struct bv_timeline_attempt *a = &t->attempt[chain[*count - 1]];
        if (a->position_s < p) {
            a->useful_s = a->useful_s < p ? a->useful_s : p;
            return;
        }
        a->useful_s = a->position_s;
        (*count)--;
    }
}

static void measure(struct builder *b, size_t i)
{
    struct bv_timeline *t = b->t;
    struct bv_timeline_attempt *a = &t->attempt[i];
    double elapsed = a->begun_ns ? seconds_between(a->begun_ns, a->ended_ns) : 0;
    const struct progress *p = &b->progress[i];
    a->running_s = at_least_zero(elapsed - p->frozen_s);
    /* One that a checkpoint has ended never ran on. */
    if (a->end == BV_ATTEMPT_CHECKPOINTED && p->offset_s >= 0 && p->offset_s < a->running_s)
        a->running_s = p->offset_s;
    a->frozen_s = elapsed - a->running_s;
    /* Only what an earlier attempt made can have been gone on from. */
    size_t from = p->origin;
    if (from != NONE && t->checkpoint[from].attempt < i)
        a->position_s = a->saved_s = t->checkpoint[from].position_s;
    a->useful_s = a->position_s + a->running_s;
}

/* Where the next attempt would go on. */
static double next_position(const struct builder *b)
{
    const struct bv_timeline_facts *f = b->facts;
    for (size_t i = f->kept_count; i-- > 0;)
        if (f->kept[i] < b->generations && b->of_generation[f->kept[i]] != NONE)
            return b->t->checkpoint[b->of_generation[f->kept[i]]].position_s;
    return 0;
}

/* Will the work of the newest attempt not be gone on with from a checkpoint? */
static int stands(const struct bv_timeline_attempt *a)
{
    return (a->end == BV_ATTEMPT_ALIVE && a->begun_ns) || a->end == BV_ATTEMPT_EXITED || a->end == BV_ATTEMPT_SIGNALED;
}

/* Checkpoints by attempt: a list for each, so that hostile interleaving costs nothing. */
static void set_positions(struct builder *b, size_t i, const size_t *head, const size_t *next)
{
    const struct bv_timeline_attempt *a = &b->t->attempt[i];
    for (size_t c = head[i]; c != NONE; c = next[c]) {
        double offset = b->offset_s[c] < a->running_s ? b->offset_s[c] : a->running_s;
        b->t->checkpoint[c].position_s = a->position_s + offset;
    }
}

static void measure_all(struct builder *b)
{
    struct bv_timeline *t = b->t;
    size_t *chain = bv_alloc((t->attempts + 1) * sizeof(*chain)), count = 0;
    size_t *head = bv_alloc((t->attempts + 1) * sizeof(*head));
    size_t *next = bv_alloc((t->checkpoints + 1) * sizeof(*next));
    for (size_t i = 0; i < t->attempts; i++)
        head[i] = NONE;
    for (size_t c = t->checkpoints; c-- > 0; head[t->checkpoint[c].attempt] = c)
        next[c] = head[t->checkpoint[c].attempt];

    for (size_t i = 0; i < t->attempts; i++) {
        struct bv_timeline_attempt *a = &t->attempt[i];
        find_end(b, i);
        measure(b, i);
        set_positions(b, i, head, next);
        if (!a->begun_ns) /* nothing was run again */
            continue;
        lose_behind(t, chain, &count, a->position_s);
        chain[count++] = i;
    }
    if (t->attempts && !stands(&t->attempt[t->attempts - 1]))
        lose_behind(t, chain, &count, next_position(b));
    free(chain);
    free(head);
    free(next);
}

static void sum_up(struct bv_timeline *t)
{
    for (size_t i = 0; i < t->attempts; i++) {
        struct bv_timeline_attempt *a = &t->attempt[i];
        a->lost_s = a->running_s - (a->useful_s - a->position_s);
        if (a->lost_s < SECONDS_LEAST)
            a->lost_s = 0;
        t->failures += a->failures;
        t->running_s += a->running_s;
        t->frozen_s += a->frozen_s;
        t->restore_s += a->restore_s;
        t->lost_s += a->lost_s;
        t->saved_s += a->saved_s;
        t->cpu_s += at_least_zero(a->cpu_s);
    }
    double all = t->running_s + t->frozen_s + t->restore_s;
    t->efficiency = all > 0 ? at_least_zero(t->running_s - t->lost_s) / all : -1;
}

void bv_timeline_build(json_t *events, const struct bv_timeline_facts *facts, struct bv_timeline *ret)
{
    size_t index;
    const json_t *e;
    *ret = (struct bv_timeline){.events = json_incref(events)};
    struct builder b = {.t = ret, .facts = facts};
    json_array_foreach (events, index, e)
        on_event(&b, index, e);
    if (facts->seen_count)
        add_silent(&b, (unsigned)facts->seen_count, json_array_size(events));
    measure_all(&b);
    sum_up(ret);
    free(b.progress);
    free(b.offset_s);
    free(b.of_generation);
}

void bv_timeline_free(struct bv_timeline *t)
{
    json_decref(t->events);
    free(t->attempt);
    free(t->checkpoint);
    *t = (struct bv_timeline){0};
}
