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

/* What the job is like, and what its checkpoints cost. */
struct load {
    double deadline;              /* s after the begin, 0 = none */
    double memory, growth;        /* MiB, MiB/s */
    double cost, cost_gib;        /* a checkpoint takes so many s, and so many more for each GiB */
    double fails_from, fails_for; /* checkpoints begun in that time fail ... */
    double fails_after;           /* ... after so many s */
    double measured; /* a checkpoint of this memory took so many s in an attempt before; 0 = none was made */
    unsigned restarts;
    double used_s;
};

struct scenario {
    const char *name;
    struct bv_policy_settings set;
    struct load job;
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
    return s->job.memory + s->job.growth * now;
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
    w->running_fails = s->job.fails_for && w->now >= s->job.fails_from && w->now < s->job.fails_from + s->job.fails_for;
    double takes = s->job.cost + s->job.cost_gib * memory_at(s, w->now) / 1024;
    w->running_from = w->now;
    w->running_until = w->now + (w->running_fails ? s->job.fails_after : takes);
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
    bv_policy_past(&w.p, s->job.restarts, s->job.used_s);
    if (s->job.measured > 0)
        bv_costs_add(&w.p.costs,
                     (struct bv_cost){.total_s = s->job.measured, .memory = (uint64_t)(s->job.memory * MIB)});
    if (s->job.deadline)
        bv_policy_deadline(&w.p, BV_DEADLINE_USER, WALL_0 + (int64_t)(s->job.deadline * 1e9));

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

#define SET_WITH(mtbf_s, ...)                                  {.mtbf = mtbf_s, .timeout = 180, __VA_ARGS__}
#define SET(...)                                               SET_WITH(86400, __VA_ARGS__)
#define JOB(...)                                               {__VA_ARGS__}
#define AT(...)                                                {__VA_ARGS__}
#define ALONE                                                  {{0}} /* nothing happens to it */
#define SCENARIO(name, settings, job, events, until, expected) {name, settings, job, events, until, expected}

static const struct scenario scenarios[] = {
    SCENARIO("nothing is asked for", SET(0), JOB(.memory = 100, .cost = 1), ALONE, 1e6, ""),

    /* --- period --- */
    SCENARIO("a fixed period counts from begin to begin", SET(.every = 60), JOB(.memory = 100, .cost = 7), ALONE, 200,
             "60:period 120:period 180:period"),
    SCENARIO("a checkpoint slower than the period never overlaps", SET(.every = 10), JOB(.memory = 100, .cost = 25),
             ALONE, 100, "10:period 40:say(period) 40:period 70:period"),
    SCENARIO("a checkpoint by hand counts as one of the period", SET(.every = 60), JOB(.memory = 100, .cost = 5),
             AT({50, HAND}), 180, "50:hand 110:period 170:period"),
    SCENARIO("while one is made by hand none is begun", SET(.every = 60), JOB(.memory = 100, .cost = 30),
             AT({55, HAND}), 130, "55:hand 115:period"),
    SCENARIO("a wall clock that jumps does not move the period", SET(.every = 60), JOB(.memory = 100, .cost = 5),
             AT({70, CLOCK, 86400}, {130, CLOCK, -200000}), 200, "60:period 120:period 180:period"),
    SCENARIO("a stopped job is left alone", SET(.every = 60), JOB(.memory = 100, .cost = 5),
             AT({70, SUSPEND}, {310, RESUME}), 380, "60:period 310:period 370:period"),
    SCENARIO("auto begins with a guess and goes on with what was measured", SET_WITH(3600, .every_auto = 1),
             JOB(.memory = 128, .cost = 8), ALONE, 800,
             "119:auto 361:auto 604:auto"), /* Daly: 119 s for 2 s, 235 s for 8 s */
    SCENARIO("auto knows what attempts before have measured", SET_WITH(3600, .every_auto = 1),
             JOB(.memory = 128, .measured = 8, .cost = 8), ALONE, 500, "235:auto 477:auto"),
    SCENARIO("auto follows a cost that grows", SET_WITH(3600, .every_auto = 1),
             JOB(.memory = 1024, .growth = 1, .measured = 1, .cost = 0, .cost_gib = 10), ALONE, 800,
             "84:auto 297:auto 548:auto"),

    /* --- failures --- */
    SCENARIO("failures are retried ever more rarely", SET(.every = 60),
             JOB(.memory = 100, .cost = 5, .fails_for = 1e9, .fails_after = 1), ALONE, 1000,
             "60:period 61:failed 68:period 70:failed 84:period 86:failed 116:period 116:failed "
             "176:period 178:failed 298:period 298:failed 538:period 540:failed"),
    SCENARIO("after a success the period is as before", SET(.every = 60),
             JOB(.memory = 100, .cost = 5, .fails_for = 80, .fails_after = 1), ALONE, 300,
             "60:period 61:failed 68:period 70:failed 84:period 144:period 204:period 264:period"),
    SCENARIO("a long period is not retried at once either", SET(.every = 3600),
             JOB(.memory = 100, .cost = 5, .fails_for = 5000, .fails_after = 1), ALONE, 9000,
             "3600:period 3601:failed 4051:period 4052:failed 4952:period 4953:failed 6753:period"),

    /* --- deadline --- */
    SCENARIO("a guess leaves enough time", SET(0), JOB(.deadline = 100, .memory = 128, .cost = 2), ALONE, 200,
             "96:deadline! 98:ended"), /* 1.5 x 2 s + 1 s before */
    SCENARIO("what was measured is trusted", SET(0), JOB(.deadline = 100, .memory = 1024, .measured = 20, .cost = 20),
             ALONE, 200, "69:deadline! 89:ended"),
    SCENARIO("a lead that is longer counts", SET(.lead = 60), JOB(.deadline = 100, .memory = 128, .cost = 2), ALONE,
             200, "40:deadline! 42:ended"),
    SCENARIO("a lead that is too short does not", SET(.lead = 1),
             JOB(.deadline = 100, .memory = 1024, .measured = 20, .cost = 20), ALONE, 200, "69:deadline! 89:ended"),
    SCENARIO("memory that grows makes it begin earlier", SET(.every = 100),
             JOB(.deadline = 1000, .memory = 1024, .growth = 10, .cost = 1, .cost_gib = 10), ALONE, 1000,
             "100:period 200:period 300:period 400:period 500:period 600:period 840:deadline! 933:ended"),
    SCENARIO("no periodic one shortly before the last one", SET(.every = 35),
             JOB(.deadline = 100, .memory = 1024, .measured = 10, .cost = 10), ALONE, 200,
             "35:period 84:deadline! 94:ended"),
    SCENARIO("one that still runs is followed if there is time", SET(0),
             JOB(.deadline = 100, .memory = 100, .measured = 5, .cost = 5), AT({90, HAND}), 200,
             "90:hand 95:end:fresh"),
    SCENARIO("and by a last one where there is", SET(.lead = 30),
             JOB(.deadline = 100, .memory = 100, .measured = 5, .cost = 5), AT({69, HAND}), 200,
             "69:hand 74:deadline! 79:ended"),
    SCENARIO("the last one by hand is the last one", SET(0),
             JOB(.deadline = 100, .memory = 100, .measured = 5, .cost = 5), AT({88, HAND_LAST}), 200,
             "88:hand! 93:ended"),
    SCENARIO("a deadline that is too near is told, and the job goes on", SET(0),
             JOB(.deadline = 10, .memory = 1024, .measured = 20, .cost = 20), ALONE, 100, "0:say(deadline)"),
    SCENARIO("a deadline that has passed too", SET(0), JOB(.deadline = -5, .memory = 1024, .cost = 20), ALONE, 100,
             "0:say(deadline)"),
    SCENARIO("a last one that fails is retried while there is time", SET(.lead = 30),
             JOB(.deadline = 100, .memory = 100, .measured = 5, .cost = 5, .fails_for = 1e9, .fails_after = 1), ALONE,
             200,
             "70:deadline! 71:failed 72:deadline! 73:failed 75:deadline! 76:failed 80:deadline! "
             "81:failed 86:deadline! 87:failed 90:deadline! 91:failed 93:deadline! 94:failed "
             "94:say(deadline)"),
    SCENARIO("and may succeed", SET(.lead = 30),
             JOB(.deadline = 100, .memory = 100, .measured = 5, .cost = 5, .fails_for = 74, .fails_after = 1), ALONE,
             200, "70:deadline! 71:failed 72:deadline! 73:failed 75:deadline! 80:ended"),
    SCENARIO("a clock that is set ahead is noticed", SET(0), JOB(.deadline = 3600, .memory = 128, .cost = 2),
             AT({100, CLOCK, 3000}), 4000, "596:deadline! 598:ended"),
    SCENARIO("so is one that is set back", SET(0), JOB(.deadline = 600, .memory = 128, .cost = 2),
             AT({100, CLOCK, -3000}), 4000, "3596:deadline! 3598:ended"),
    SCENARIO("a clock that jumps over the deadline", SET(0),
             JOB(.deadline = 600, .memory = 128, .measured = 2, .cost = 2), AT({100, CLOCK, 3000}), 4000,
             "120:say(deadline)"),
    SCENARIO("of two deadlines the earlier one counts", SET(0), JOB(.deadline = 600, .memory = 128, .cost = 2),
             AT({100, DEADLINE, 300}), 4000, "296:deadline! 298:ended"),
    SCENARIO("the scheduler may move its own", SET(0), JOB(.memory = 128, .cost = 2),
             AT({100, DEADLINE, 300}, {200, DEADLINE, 900}), 4000, "896:deadline! 898:ended"),
    SCENARIO("and take it back", SET(0), JOB(.memory = 128, .cost = 2), AT({100, DEADLINE, 300}, {200, DEADLINE, 0}),
             4000, ""),
    SCENARIO("a new one after one that was too near", SET(0),
             JOB(.deadline = 0, .memory = 128, .measured = 20, .cost = 20),
             AT({100, DEADLINE, 101}, {110, DEADLINE, 300}), 4000, "100:say(deadline) 269:deadline! 289:ended"),

    /* --- overrun --- */
    SCENARIO("a limit is overrun", SET(.overrun = 1, .max_restarts = 2),
             JOB(.deadline = 100, .memory = 128, .cost = 2, .restarts = 1), ALONE, 200, "96:overrun! 98:ended"),
    SCENARIO("but only so often", SET(.overrun = 1, .max_restarts = 2),
             JOB(.deadline = 100, .memory = 128, .cost = 2, .restarts = 2), ALONE, 200, "96:say(overrun)"),
    SCENARIO("and not beyond the time budget", SET(.time_budget = 150),
             JOB(.deadline = 100, .memory = 128, .cost = 2, .used_s = 60), ALONE, 200, "96:say(deadline)"),
    SCENARIO("whoever is preempted has not overrun anything", SET(.overrun = 1, .max_restarts = 2),
             JOB(.deadline = 100, .memory = 128, .cost = 2, .restarts = 2), AT({50, STOP, 30}), 200,
             "50:preempt! 52:ended"),

    /* --- signals --- */
    SCENARIO("a checkpoint that is asked for", SET(0), JOB(.memory = 100, .cost = 5), AT({50, ASK}), 100,
             "50:signal:SIGUSR1"),
    SCENARIO("one that runs will do", SET(.every = 60), JOB(.memory = 100, .cost = 5), AT({62, ASK}), 100, "60:period"),
    SCENARIO("preempted: saved, and ended", SET(.every = 60), JOB(.memory = 100, .cost = 5), AT({50, STOP, 30}), 100,
             "50:preempt! 55:ended"),
    SCENARIO("a grace that is too short is told, and the attempt ends", SET(0),
             JOB(.memory = 1024, .measured = 20, .cost = 20), AT({50, STOP, 10}), 100, "50:say(preempt) 50:end:old"),
    SCENARIO("no grace at all", SET(0), JOB(.memory = 1024, .cost = 20), AT({50, STOP, 0}), 100,
             "50:say(preempt) 50:end:old"),
    SCENARIO("a guess alone does not give up", SET(0), JOB(.memory = 10240, .cost = 2), AT({50, STOP, 10}), 100,
             "50:preempt! 52:ended"),
    SCENARIO("preempted while a periodic one is made: that one has to do", SET(.every = 60),
             JOB(.memory = 100, .measured = 20, .cost = 20), AT({65, STOP, 30}), 100, "60:period 80:end:fresh"),
    SCENARIO("... or is followed by a last one", SET(.every = 60), JOB(.memory = 100, .measured = 20, .cost = 20),
             AT({65, STOP, 60}), 200, "60:period 80:preempt! 100:ended"),
    SCENARIO("... or does not end in time", SET(.every = 60), JOB(.memory = 100, .measured = 20, .cost = 20),
             AT({65, STOP, 10}), 200, "60:period 74:say(preempt) 74:end:old"),
    SCENARIO("preempted in vain", SET(0),
             JOB(.memory = 100, .measured = 2, .cost = 2, .fails_for = 1e9, .fails_after = 1), AT({50, STOP, 10}), 200,
             "50:preempt! 51:failed 52:preempt! 53:failed 55:preempt! 56:failed 57:preempt! 58:failed "
             "58:say(preempt) 58:end:old"),
    SCENARIO("a second notice may shorten the grace, not lengthen it", SET(0),
             JOB(.memory = 100, .measured = 20, .cost = 30, .fails_for = 1e9, .fails_after = 5),
             AT({50, STOP, 600}, {52, STOP, 10}, {53, STOP, 900}), 200,
             "50:preempt! 55:failed 55:say(preempt) 55:end:old"),
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
