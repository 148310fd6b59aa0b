/* SPDX-License-Identifier: Apache-2.0 */
/* A table of scenarios: a job with a fake clock, and everything the policy says to do in its life. */
#include "unit.h"

#include <math.h>
#include <stdarg.h>

#include "base/clock.h"
#include "policy/policy.h"

#define MIB        (1 << 20)
#define WALL_0     (1700000000LL * BV_NSEC_PER_SEC)
#define STEPS_MOST 20000 /* more decisions than that are a storm */

enum what { NOTHING, ASK, STOP, HAND, HAND_LAST, CLOCK, DEADLINE, SUSPEND, RESUME };

struct happening {
    double at;
    enum what what;
    double value; /* grace, jump of the wall clock, s; deadline, s from the beginning by the wall clock, 0 = none */
};

struct scenario {
    const char *name;
    struct bv_policy_settings set;
    double deadline;              /* s after the begin, 0 = none */
    double memory, growth;        /* MiB, MiB/s */
    double cost, cost_gib;        /* a checkpoint takes so many s, and so many more for each GiB */
    double fails_from, fails_for; /* checkpoints begun in that time fail ... */
    double fails_after;           /* ... after so many s */
    double measured; /* a checkpoint of this memory took so many s in an attempt before; 0 = none was made */
    unsigned restarts;
    double used_s;
    struct happening events[5];
    double until;
    const char *expected;
};

struct world {
    const struct scenario *of;
    struct bv_policy p;
    double now, wall_ahead; /* s */
    double wake;            /* when the policy is asked again */
    double running_until;   /* 0 = no checkpoint is being made */
    double running_from;
    int running_fails, running_ends;
    size_t event;
    int ended;
    char log[4096];
};

static struct bv_policy_time time_of(const struct world *w)
{
    return (struct bv_policy_time){(int64_t)((1000 + w->now) * 1e9),
                                   WALL_0 + (int64_t)((w->now + w->wall_ahead) * 1e9)};
}

static double memory_at(const struct scenario *s, double now)
{
    return s->memory + s->growth * now;
}

__attribute__((format(printf, 2, 3))) static void note(struct world *w, const char *fmt, ...)
{
    size_t n = strlen(w->log);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->log + n, sizeof(w->log) - n, fmt, ap);
    va_end(ap);
}

static void begin(struct world *w, const char *why, int ends)
{
    const struct scenario *s = w->of;
    if (w->running_until)
        fail_msg("%s: a checkpoint is begun while one is made (%s)", s->name, w->log);
    note(w, "%.0f:%s%s ", w->now, why, ends ? "!" : "");
    w->running_fails = s->fails_for && w->now >= s->fails_from && w->now < s->fails_from + s->fails_for;
    double takes = s->cost + s->cost_gib * memory_at(s, w->now) / 1024;
    w->running_from = w->now;
    w->running_until = w->now + (w->running_fails ? s->fails_after : takes);
    w->running_ends = ends;
    bv_policy_begun(&w->p, time_of(w), ends);
}

static void end_running(struct world *w)
{
    if (w->running_fails) {
        note(w, "%.0f:failed ", w->now);
        bv_policy_failed(&w->p, time_of(w));
    } else {
        bv_policy_committed(&w->p, time_of(w),
                            (struct bv_cost){.frozen_s = 0.1,
                                             .total_s = w->now - w->running_from,
                                             .memory = (uint64_t)(memory_at(w->of, w->running_from) * MIB)});
        if (w->running_ends)
            note(w, "%.0f:ended", w->now);
        w->ended = w->running_ends;
    }
    w->running_until = 0;
    w->wake = 0;
}

static void happen(struct world *w, const struct happening *h)
{
    if (h->what != CLOCK) /* which nobody is told */
        w->wake = 0;
    switch (h->what) {
    case NOTHING:
        return;
    case ASK:
        bv_policy_ask(&w->p, "signal:SIGUSR1");
        return;
    case STOP:
        bv_policy_stop(&w->p, time_of(w), "preempt", h->value);
        return;
    case HAND:
        begin(w, "hand", 0);
        return;
    case HAND_LAST:
        begin(w, "hand", 1);
        return;
    case CLOCK:
        w->wall_ahead += h->value;
        return;
    case DEADLINE:
        bv_policy_deadline(&w->p, BV_DEADLINE_SCHEDULER, h->value ? WALL_0 + (int64_t)(h->value * 1e9) : 0);
        return;
    case SUSPEND:
    case RESUME:
        bv_policy_suspended(&w->p, h->what == SUSPEND);
        return;
    }
}

static double next_event(const struct world *w)
{
    return w->event < 5 && w->of->events[w->event].what ? w->of->events[w->event].at : INFINITY;
}

/* One decision, and what follows from it. Returns how long to wait. */
static double step(struct world *w)
{
    bv_policy_memory(&w->p, time_of(w), (uint64_t)(memory_at(w->of, w->now) * MIB));
    struct bv_policy_action a = bv_policy_decide(&w->p, time_of(w));
    switch (a.what) {
    case BV_POLICY_WAIT:
        assert_true(a.wait_s >= 0);
        return a.wait_s;
    case BV_POLICY_CHECKPOINT:
    case BV_POLICY_LAST:
        assert_true(a.timeout_s > 0 && a.timeout_s <= w->of->set.timeout);
        begin(w, a.why, a.what == BV_POLICY_LAST);
        return 0;
    case BV_POLICY_END:
        note(w, "%.0f:end:%s", w->now, a.fresh ? "fresh" : "old");
        w->ended = 1;
        return 0;
    case BV_POLICY_SAY:
        assert_true(strlen(a.text) > 10 && strlen(a.why) > 2);
        note(w, "%.0f:say(%s) ", w->now, a.why);
        return 0;
    }
    return 0;
}

/* 1 if all was as expected. */
static int play(const struct scenario *s)
{
    struct world w = {.of = s};
    bv_policy_init(&w.p, &s->set, time_of(&w));
    bv_policy_past(&w.p, s->restarts, s->used_s);
    if (s->measured > 0)
        bv_costs_add(&w.p.costs, (struct bv_cost){.total_s = s->measured, .memory = (uint64_t)(s->memory * MIB)});
    if (s->deadline)
        bv_policy_deadline(&w.p, BV_DEADLINE_USER, WALL_0 + (int64_t)(s->deadline * 1e9));

    for (int steps = 0; w.now < s->until && !w.ended; steps++) {
        if (steps > STEPS_MOST)
            fail_msg("%s: a storm: %s", s->name, w.log);
        if (w.now >= w.wake)
            w.wake = w.now + step(&w);
        double to = fmin(fmin(w.wake, next_event(&w)), fmin(w.running_until ? w.running_until : INFINITY, s->until));
        w.now = fmax(to, w.now);
        if (w.ended)
            break;
        if (w.running_until && w.now >= w.running_until)
            end_running(&w);
        if (!w.ended && w.now >= next_event(&w))
            happen(&w, &s->events[w.event++]);
    }
    size_t n = strlen(w.log);
    if (n && w.log[n - 1] == ' ')
        w.log[n - 1] = '\0';
    if (strcmp(w.log, s->expected) == 0)
        return 1;
    print_error("%s:\n  got      %s\n  expected %s\n", s->name, w.log, s->expected);
    return 0;
}

#define SET_WITH(mtbf_s, ...) {.mtbf = mtbf_s, .timeout = 180, __VA_ARGS__}
#define SET(...)              SET_WITH(86400, __VA_ARGS__)

static const struct scenario scenarios[] = {
    {.name = "nothing is asked for", .set = SET(0), .memory = 100, .cost = 1, .until = 1e6, .expected = ""},

    /* --- period --- */
    {.name = "a fixed period counts from begin to begin",
     .set = SET(.every = 60),
     .memory = 100,
     .cost = 7,
     .until = 200,
     .expected = "60:period 120:period 180:period"},
    {.name = "a checkpoint slower than the period never overlaps",
     .set = SET(.every = 10),
     .memory = 100,
     .cost = 25,
     .until = 100,
     .expected = "10:period 40:say(period) 40:period 70:period"},
    {.name = "a checkpoint by hand counts as one of the period",
     .set = SET(.every = 60),
     .memory = 100,
     .cost = 5,
     .events = {{50, HAND}},
     .until = 180,
     .expected = "50:hand 110:period 170:period"},
    {.name = "while one is made by hand none is begun",
     .set = SET(.every = 60),
     .memory = 100,
     .cost = 30,
     .events = {{55, HAND}},
     .until = 130,
     .expected = "55:hand 115:period"},
    {.name = "a wall clock that jumps does not move the period",
     .set = SET(.every = 60),
     .memory = 100,
     .cost = 5,
     .events = {{70, CLOCK, 86400}, {130, CLOCK, -200000}},
     .until = 200,
     .expected = "60:period 120:period 180:period"},
    {.name = "a stopped job is left alone",
     .set = SET(.every = 60),
     .memory = 100,
     .cost = 5,
     .events = {{70, SUSPEND}, {310, RESUME}},
     .until = 380,
     .expected = "60:period 310:period 370:period"},
    {.name = "auto begins with a guess and goes on with what was measured",
     .set = SET_WITH(3600, .every_auto = 1),
     .memory = 128,
     .cost = 8,
     .until = 800, /* Daly: 119 s for 2 s, 235 s for 8 s */
     .expected = "119:auto 361:auto 604:auto"},
    {.name = "auto knows what attempts before have measured",
     .set = SET_WITH(3600, .every_auto = 1),
     .memory = 128,
     .measured = 8,
     .cost = 8,
     .until = 500,
     .expected = "235:auto 477:auto"},
    {.name = "auto follows a cost that grows",
     .set = SET_WITH(3600, .every_auto = 1),
     .memory = 1024,
     .growth = 1,
     .measured = 1,
     .cost = 0,
     .cost_gib = 10,
     .until = 800,
     .expected = "84:auto 297:auto 548:auto"},

    /* --- failures --- */
    {.name = "failures are retried ever more rarely",
     .set = SET(.every = 60),
     .memory = 100,
     .cost = 5,
     .fails_for = 1e9,
     .fails_after = 1,
     .until = 1000,
     .expected = "60:period 61:failed 68:period 70:failed 84:period 86:failed 116:period 116:failed 176:period "
                 "178:failed 298:period 298:failed 538:period 540:failed"},
    {.name = "after a success the period is as before",
     .set = SET(.every = 60),
     .memory = 100,
     .cost = 5,
     .fails_for = 80,
     .fails_after = 1,
     .until = 300,
     .expected = "60:period 61:failed 68:period 70:failed 84:period 144:period 204:period 264:period"},
    {.name = "a long period is not retried at once either",
     .set = SET(.every = 3600),
     .memory = 100,
     .cost = 5,
     .fails_for = 5000,
     .fails_after = 1,
     .until = 9000,
     .expected = "3600:period 3601:failed 4051:period 4052:failed 4952:period 4953:failed 6753:period"},

    /* --- deadline --- */
    {.name = "a guess leaves enough time",
     .set = SET(0),
     .deadline = 100,
     .memory = 128,
     .cost = 2,
     .until = 200,
     .expected = "96:deadline! 98:ended"}, /* 1.5 x 2 s + 1 s before */
    {.name = "what was measured is trusted",
     .set = SET(0),
     .deadline = 100,
     .memory = 1024,
     .measured = 20,
     .cost = 20,
     .until = 200,
     .expected = "69:deadline! 89:ended"},
    {.name = "a lead that is longer counts",
     .set = SET(.lead = 60),
     .deadline = 100,
     .memory = 128,
     .cost = 2,
     .until = 200,
     .expected = "40:deadline! 42:ended"},
    {.name = "a lead that is too short does not",
     .set = SET(.lead = 1),
     .deadline = 100,
     .memory = 1024,
     .measured = 20,
     .cost = 20,
     .until = 200,
     .expected = "69:deadline! 89:ended"},
    {.name = "memory that grows makes it begin earlier",
     .set = SET(.every = 100),
     .deadline = 1000,
     .memory = 1024,
     .growth = 10,
     .cost = 1,
     .cost_gib = 10,
     .until = 1000,
     .expected = "100:period 200:period 300:period 400:period 500:period 600:period 840:deadline! 933:ended"},
    {.name = "no periodic one shortly before the last one",
     .set = SET(.every = 35),
     .deadline = 100,
     .memory = 1024,
     .measured = 10,
     .cost = 10,
     .until = 200,
     .expected = "35:period 84:deadline! 94:ended"},
    {.name = "one that still runs is followed if there is time",
     .set = SET(0),
     .deadline = 100,
     .memory = 100,
     .measured = 5,
     .cost = 5,
     .events = {{90, HAND}},
     .until = 200,
     .expected = "90:hand 95:end:fresh"},
    {.name = "and by a last one where there is",
     .set = SET(.lead = 30),
     .deadline = 100,
     .memory = 100,
     .measured = 5,
     .cost = 5,
     .events = {{69, HAND}},
     .until = 200,
     .expected = "69:hand 74:deadline! 79:ended"},
    {.name = "the last one by hand is the last one",
     .set = SET(0),
     .deadline = 100,
     .memory = 100,
     .measured = 5,
     .cost = 5,
     .events = {{88, HAND_LAST}},
     .until = 200,
     .expected = "88:hand! 93:ended"},
    {.name = "a deadline that is too near is told, and the job goes on",
     .set = SET(0),
     .deadline = 10,
     .memory = 1024,
     .measured = 20,
     .cost = 20,
     .until = 100,
     .expected = "0:say(deadline)"},
    {.name = "a deadline that has passed too",
     .set = SET(0),
     .deadline = -5,
     .memory = 1024,
     .cost = 20,
     .until = 100,
     .expected = "0:say(deadline)"},
    {.name = "a last one that fails is retried while there is time",
     .set = SET(.lead = 30),
     .deadline = 100,
     .memory = 100,
     .measured = 5,
     .cost = 5,
     .fails_for = 1e9,
     .fails_after = 1,
     .until = 200,
     .expected = "70:deadline! 71:failed 72:deadline! 73:failed 75:deadline! 76:failed 80:deadline! 81:failed "
                 "86:deadline! 87:failed 90:deadline! 91:failed 93:deadline! 94:failed 94:say(deadline)"},
    {.name = "and may succeed",
     .set = SET(.lead = 30),
     .deadline = 100,
     .memory = 100,
     .measured = 5,
     .cost = 5,
     .fails_for = 74,
     .fails_after = 1,
     .until = 200,
     .expected = "70:deadline! 71:failed 72:deadline! 73:failed 75:deadline! 80:ended"},
    {.name = "a clock that is set ahead is noticed",
     .set = SET(0),
     .deadline = 3600,
     .memory = 128,
     .cost = 2,
     .events = {{100, CLOCK, 3000}},
     .until = 4000,
     .expected = "596:deadline! 598:ended"},
    {.name = "so is one that is set back",
     .set = SET(0),
     .deadline = 600,
     .memory = 128,
     .cost = 2,
     .events = {{100, CLOCK, -3000}},
     .until = 4000,
     .expected = "3596:deadline! 3598:ended"},
    {.name = "a clock that jumps over the deadline",
     .set = SET(0),
     .deadline = 600,
     .memory = 128,
     .measured = 2,
     .cost = 2,
     .events = {{100, CLOCK, 3000}},
     .until = 4000,
     .expected = "120:say(deadline)"},
    {.name = "of two deadlines the earlier one counts",
     .set = SET(0),
     .deadline = 600,
     .memory = 128,
     .cost = 2,
     .events = {{100, DEADLINE, 300}},
     .until = 4000,
     .expected = "296:deadline! 298:ended"},
    {.name = "the scheduler may move its own",
     .set = SET(0),
     .memory = 128,
     .cost = 2,
     .events = {{100, DEADLINE, 300}, {200, DEADLINE, 900}},
     .until = 4000,
     .expected = "896:deadline! 898:ended"},
    {.name = "and take it back",
     .set = SET(0),
     .memory = 128,
     .cost = 2,
     .events = {{100, DEADLINE, 300}, {200, DEADLINE, 0}},
     .until = 4000,
     .expected = ""},
    {.name = "a new one after one that was too near",
     .set = SET(0),
     .deadline = 0,
     .memory = 128,
     .measured = 20,
     .cost = 20,
     .events = {{100, DEADLINE, 101}, {110, DEADLINE, 300}},
     .until = 4000,
     .expected = "100:say(deadline) 269:deadline! 289:ended"},

    /* --- overrun --- */
    {.name = "a limit is overrun",
     .set = SET(.overrun = 1, .max_restarts = 2),
     .deadline = 100,
     .memory = 128,
     .cost = 2,
     .restarts = 1,
     .until = 200,
     .expected = "96:overrun! 98:ended"},
    {.name = "but only so often",
     .set = SET(.overrun = 1, .max_restarts = 2),
     .deadline = 100,
     .memory = 128,
     .cost = 2,
     .restarts = 2,
     .until = 200,
     .expected = "96:say(overrun)"},
    {.name = "and not beyond the time budget",
     .set = SET(.time_budget = 150),
     .deadline = 100,
     .memory = 128,
     .cost = 2,
     .used_s = 60,
     .until = 200,
     .expected = "96:say(deadline)"},
    {.name = "whoever is preempted has not overrun anything",
     .set = SET(.overrun = 1, .max_restarts = 2),
     .deadline = 100,
     .memory = 128,
     .cost = 2,
     .restarts = 2,
     .events = {{50, STOP, 30}},
     .until = 200,
     .expected = "50:preempt! 52:ended"},

    /* --- signals --- */
    {.name = "a checkpoint that is asked for",
     .set = SET(0),
     .memory = 100,
     .cost = 5,
     .events = {{50, ASK}},
     .until = 100,
     .expected = "50:signal:SIGUSR1"},
    {.name = "one that runs will do",
     .set = SET(.every = 60),
     .memory = 100,
     .cost = 5,
     .events = {{62, ASK}},
     .until = 100,
     .expected = "60:period"},
    {.name = "preempted: saved, and ended",
     .set = SET(.every = 60),
     .memory = 100,
     .cost = 5,
     .events = {{50, STOP, 30}},
     .until = 100,
     .expected = "50:preempt! 55:ended"},
    {.name = "a grace that is too short is told, and the attempt ends",
     .set = SET(0),
     .memory = 1024,
     .measured = 20,
     .cost = 20,
     .events = {{50, STOP, 10}},
     .until = 100,
     .expected = "50:say(preempt) 50:end:old"},
    {.name = "no grace at all",
     .set = SET(0),
     .memory = 1024,
     .cost = 20,
     .events = {{50, STOP, 0}},
     .until = 100,
     .expected = "50:say(preempt) 50:end:old"},
    {.name = "a guess alone does not give up",
     .set = SET(0),
     .memory = 10240,
     .cost = 2,
     .events = {{50, STOP, 10}},
     .until = 100,
     .expected = "50:preempt! 52:ended"},
    {.name = "preempted while a periodic one is made: that one has to do",
     .set = SET(.every = 60),
     .memory = 100,
     .measured = 20,
     .cost = 20,
     .events = {{65, STOP, 30}},
     .until = 100,
     .expected = "60:period 80:end:fresh"},
    {.name = "... or is followed by a last one",
     .set = SET(.every = 60),
     .memory = 100,
     .measured = 20,
     .cost = 20,
     .events = {{65, STOP, 60}},
     .until = 200,
     .expected = "60:period 80:preempt! 100:ended"},
    {.name = "... or does not end in time",
     .set = SET(.every = 60),
     .memory = 100,
     .measured = 20,
     .cost = 20,
     .events = {{65, STOP, 10}},
     .until = 200,
     .expected = "60:period 74:say(preempt) 74:end:old"},
    {.name = "preempted in vain",
     .set = SET(0),
     .memory = 100,
     .measured = 2,
     .cost = 2,
     .fails_for = 1e9,
     .fails_after = 1,
     .events = {{50, STOP, 10}},
     .until = 200,
     .expected =
         "50:preempt! 51:failed 52:preempt! 53:failed 55:preempt! 56:failed 57:preempt! 58:failed 58:say(preempt) "
         "58:end:old"},
    {.name = "a second notice may shorten the grace, not lengthen it",
     .set = SET(0),
     .memory = 100,
     .measured = 20,
     .cost = 30,
     .fails_for = 1e9,
     .fails_after = 5,
     .events = {{50, STOP, 600}, {52, STOP, 10}, {53, STOP, 900}},
     .until = 200,
     .expected = "50:preempt! 55:failed 55:say(preempt) 55:end:old"},
};

static void every_scenario_ends_as_it_should(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        wrong += !play(&scenarios[i]);
    assert_int_equal(wrong, 0);
}

static void what_comes_next_can_be_told(void **state)
{
    (void)state;
    char why[BV_POLICY_WHY] = "";
    struct bv_policy p;
    struct bv_policy_time now = {BV_NSEC_PER_SEC, WALL_0};
    struct bv_policy_settings set = SET(.every = 60);
    bv_policy_init(&p, &set, now);
    assert_int_equal((int)bv_policy_next(&p, now, why), 60);
    assert_string_equal(why, "period");
    bv_policy_deadline(&p, BV_DEADLINE_USER, WALL_0 + 30 * BV_NSEC_PER_SEC);
    assert_int_equal((int)bv_policy_next(&p, now, why), 27);
    assert_string_equal(why, "deadline");
    bv_policy_ask(&p, "signal:SIGUSR1");
    assert_int_equal((int)bv_policy_next(&p, now, why), 0);
    assert_string_equal(why, "signal:SIGUSR1");

    set = (struct bv_policy_settings){.timeout = 180};
    bv_policy_init(&p, &set, now);
    assert_true(bv_policy_next(&p, now, why) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scenario_ends_as_it_should),
        cmocka_unit_test(what_comes_next_can_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
