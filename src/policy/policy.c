/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "policy/interval.h"

#define MARGIN       1.5 /* a prediction is that much more when there is time to choose the begin */
#define MARGIN_S     1.0
#define FIT          1.1   /* ... and that much when it must be judged whether the rest of the time suffices */
#define RESERVE_S    0.5   /* of the time until a limit: for the end itself */
#define RESERVE_PART 0.1   /* ... and at most this part of a grace */
#define LOOK_MOST    30.0  /* s between looks at the job's memory and at a wall clock that may be set */
#define IDLE_S       3600. /* s, when nothing is foreseen */
#define RETRY_LEAST  1.0   /* s after a first failure; doubled with each further one */
#define RETRY_MOST   900.0 /* s, or the period if that is longer */
#define RETRY_LAST   60.0  /* s, the same for the last checkpoint */

#define GROWTH_S    1.0  /* over which a growth is measured, at least */
#define GROWTH_MOST 1e15 /* bytes, whatever the rate was */

enum { SAID_SLOW = 1, SAID_NO_TIME = 2, SAID_LIMIT = 4 };

static double seconds(int64_t ns)
{
    return (double)ns / (double)BV_NSEC_PER_SEC;
}

static int64_t nanoseconds(double s)
{
    return (int64_t)(s * (double)BV_NSEC_PER_SEC);
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

void bv_policy_init(struct bv_policy *p, const struct bv_policy_settings *set, struct bv_policy_time now)
{
    *p = (struct bv_policy){.set = *set, .begun_ns = now.mono_ns, .anchor_ns = now.mono_ns};
}

void bv_policy_past(struct bv_policy *p, unsigned restarts, double used_s)
{
    p->restarts = restarts;
    p->used_s = used_s;
}

void bv_policy_deadline(struct bv_policy *p, enum bv_policy_deadline from, int64_t wall_ns)
{
    if (p->deadline_ns[from] == wall_ns)
        return;
    p->deadline_ns[from] = wall_ns;
    p->given_up = 0;
    p->said &= ~(unsigned)(SAID_NO_TIME | SAID_LIMIT);
    if (!p->stopping)
        p->last_ns = 0;
}

void bv_policy_memory(struct bv_policy *p, struct bv_policy_time now, uint64_t bytes)
{
    double elapsed = seconds(now.mono_ns - p->grown_ns);
    p->memory = bytes;
    if (p->grown_ns && elapsed < GROWTH_S)
        return;
    if (p->grown_ns) {
        double rate = bytes > p->grown_from ? (double)(bytes - p->grown_from) / elapsed : 0;
        p->growth = most(rate, p->growth / 2); /* one quiet moment does not end a growth */
    }
    p->grown_from = bytes;
    p->grown_ns = now.mono_ns;
}

void bv_policy_suspended(struct bv_policy *p, int suspended)
{
    p->suspended = suspended;
}

void bv_policy_ask(struct bv_policy *p, const char *why)
{
    if (p->running)
        return;
    p->asked = 1;
    snprintf(p->asked_why, sizeof(p->asked_why), "%s", why);
}

void bv_policy_stop(struct bv_policy *p, struct bv_policy_time now, const char *why, double grace)
{
    int64_t limit = now.mono_ns + nanoseconds(grace - least(RESERVE_S, grace * RESERVE_PART));
    if (p->stopping && limit >= p->stop_ns)
        return;
    if (!p->stopping)
        snprintf(p->stop_why, sizeof(p->stop_why), "%s", why);
    p->stopping = 1;
    p->stop_ns = limit;
}

void bv_policy_begun(struct bv_policy *p, struct bv_policy_time now, int ends_attempt)
{
    p->running = 1;
    p->running_ends = ends_attempt;
    p->running_ns = now.mono_ns;
    p->asked = 0;
}

/* Beats that have passed while a checkpoint was made are left out, not made up for. */
static void skip_beats(struct bv_policy *p, int64_t now_ns)
{
    int64_t every_ns = nanoseconds(p->set.every);
    p->anchor_ns = p->running_ns;
    if (every_ns > 0)
        p->anchor_ns += (now_ns - p->running_ns) / every_ns * every_ns;
}

void bv_policy_committed(struct bv_policy *p, struct bv_policy_time now, struct bv_cost cost)
{
    bv_costs_add(&p->costs, cost);
    if (p->set.every_auto)
        p->anchor_ns = now.mono_ns;
    else
        skip_beats(p, now.mono_ns);
    p->running = p->running_ends = 0;
    p->committed_ns = now.mono_ns;
    p->failures = p->last_failures = 0;
    p->retry_ns = p->last_retry_ns = 0;
}

/* --- the period --- */

static int is_periodic(const struct bv_policy *p)
{
    return p->set.every_auto || p->set.every > 0;
}

static double period(const struct bv_policy *p)
{
    return p->set.every_auto ? bv_interval_daly(bv_costs_mean(&p->costs, p->memory), p->set.mtbf) : p->set.every;
}

static int64_t deadline_of(const struct bv_policy *p)
{
    int64_t at = 0;
    for (int i = 0; i < BV_DEADLINES; i++)
        if (p->deadline_ns[i] && (!at || p->deadline_ns[i] < at))
            at = p->deadline_ns[i];
    return p->given_up ? 0 : at;
}

static double look_s(double until)
{
    return most(1, least(LOOK_MOST, until / 8));
}

/* Until the commit of a checkpoint that begins about now. The tree grows until it begins, and until it is frozen. */
static double need(const struct bv_policy *p, double ahead)
{
    double now = bv_costs_predict(&p->costs, p->memory);
    double more = least(p->growth * (ahead + now), GROWTH_MOST);
    return bv_costs_predict(&p->costs, p->memory + (uint64_t)more);
}

/* Seconds until the last checkpoint before the deadline is to begin; INFINITY without a deadline. */
static double until_last(const struct bv_policy *p, struct bv_policy_time now)
{
    int64_t at = deadline_of(p);
    if (!at)
        return INFINITY;
    double left = seconds(at - now.wall_ns);
    return left - most(p->set.lead, need(p, look_s(left)) * MARGIN + MARGIN_S);
}

/* Seconds until the next periodic one; INFINITY if there is none, or if the last one comes so soon that both would be
 * too much. */
static double until_period(const struct bv_policy *p, struct bv_policy_time now)
{
    if (!is_periodic(p) || p->suspended)
        return INFINITY;
    double due = seconds(p->anchor_ns - now.mono_ns) + period(p);
    if (p->retry_ns)
        due = most(due, seconds(p->retry_ns - now.mono_ns));
    due = most(due, 0);
    return until_last(p, now) - due < 2 * need(p, 0) ? INFINITY : due;
}

/* Seconds in which everything must be over. */
static double until_limit(const struct bv_policy *p, struct bv_policy_time now)
{
    int64_t at = deadline_of(p);
    double left = at ? seconds(at - now.wall_ns) - RESERVE_S : INFINITY;
    return p->stopping ? least(left, seconds(p->stop_ns - now.mono_ns)) : left;
}

static double backoff(double first, unsigned failures, double limit)
{
    return least(first * exp2(least(failures - 1, 20)), limit);
}

void bv_policy_failed(struct bv_policy *p, struct bv_policy_time now)
{
    p->running = p->running_ends = 0;
    p->failures++;
    double usual = is_periodic(p) ? period(p) : 0;
    p->retry_ns =
        now.mono_ns + nanoseconds(backoff(most(RETRY_LEAST, usual / 8), p->failures, most(RETRY_MOST, usual)));
    if (p->last_ns) {
        p->last_failures++;
        double most_s = most(0, least(RETRY_LAST, until_limit(p, now) / 4));
        p->last_retry_ns = now.mono_ns + nanoseconds(backoff(RETRY_LEAST, p->last_failures, most_s));
    }
}

/* --- what to do --- */

static struct bv_policy_action act(enum bv_policy_do what, const char *why)
{
    struct bv_policy_action a = {.what = what};
    snprintf(a.why, sizeof(a.why), "%s", why);
    return a;
}

static struct bv_policy_action wait_for(double s)
{
    struct bv_policy_action a = {.what = BV_POLICY_WAIT, .wait_s = most(0, least(s, IDLE_S))};
    return a;
}

static struct bv_policy_action say(struct bv_policy *p, unsigned what, const char *why, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static struct bv_policy_action say(struct bv_policy *p, unsigned what, const char *why, const char *fmt, ...)
{
    struct bv_policy_action a = act(BV_POLICY_SAY, why);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a.text, sizeof(a.text), fmt, ap);
    va_end(ap);
    p->said |= what;
    return a;
}

static const char *last_why(const struct bv_policy *p)
{
    return p->stopping ? p->stop_why : p->set.overrun ? "overrun" : "deadline";
}

/* There is no time for a last checkpoint. Who is asked to stop, stops; with a deadline alone the job goes on until its
 * limit, since nothing can be gained by an earlier end. */
static struct bv_policy_action no_time(struct bv_policy *p, double left, double needed)
{
    const char *why = last_why(p);
    if (p->committed_ns >= p->last_ns && p->committed_ns) {
        struct bv_policy_action a = act(BV_POLICY_END, why);
        a.fresh = 1;
        return a;
    }
    if (!(p->said & SAID_NO_TIME))
        return say(p, SAID_NO_TIME, why,
                   "%.2f s are left and a checkpoint takes about %.2f s: none is made, the last one is kept",
                   most(left, 0), needed);
    if (p->stopping)
        return act(BV_POLICY_END, why);
    p->given_up = 1;
    p->last_ns = 0;
    return wait_for(0);
}

static struct bv_policy_action decide_last(struct bv_policy *p, struct bv_policy_time now)
{
    double left = until_limit(p, now), needed = need(p, 0);
    if (!p->last_ns) {
        p->last_ns = now.mono_ns;
        p->last_failures = 0;
        p->last_retry_ns = 0;
    }
    if (p->running && left > 0)
        return wait_for(left);
    /* A guess alone is no ground for not even trying. */
    int fits = p->costs.count ? left >= needed * FIT : left > 0;
    if (p->running || !fits)
        return no_time(p, left, needed);
    double retry = p->last_retry_ns ? seconds(p->last_retry_ns - now.mono_ns) : 0;
    if (retry > 0)
        return wait_for(retry);
    struct bv_policy_action a = act(BV_POLICY_LAST, last_why(p));
    a.timeout_s = least(p->set.timeout, left);
    return a;
}

/* Has the job overrun its limits as often as it may? */
static int is_exhausted(const struct bv_policy *p, struct bv_policy_time now)
{
    double used = p->used_s + seconds(now.mono_ns - p->begun_ns);
    return (p->set.overrun && p->restarts >= p->set.max_restarts) ||
           (p->set.time_budget > 0 && used >= p->set.time_budget);
}

static struct bv_policy_action decide_limit(struct bv_policy *p)
{
    if (p->said & SAID_LIMIT) {
        p->given_up = 1;
        return wait_for(0);
    }
    if (p->set.overrun && p->restarts >= p->set.max_restarts)
        return say(
            p, SAID_LIMIT, last_why(p),
            "the job was restarted %u times, and may not be once more: it ends by its limit, the last checkpoint is "
            "kept",
            p->restarts);
    return say(p, SAID_LIMIT, last_why(p),
               "the time budget of %.0f s is used up: the job ends by its limit, the last checkpoint is kept",
               p->set.time_budget);
}

static struct bv_policy_action decide_period(struct bv_policy *p, struct bv_policy_time now, double due)
{
    if (due > 0) {
        double last = until_last(p, now);
        double next = least(due, last);
        return wait_for(isfinite(last) ? least(next, look_s(last)) : next);
    }
    if (!p->set.every_auto && p->costs.count && !(p->said & SAID_SLOW) && need(p, 0) > p->set.every)
        return say(p, SAID_SLOW, "period",
                   "a checkpoint takes about %.1f s, longer than the period of %.1f s: beats are left out", need(p, 0),
                   p->set.every);
    struct bv_policy_action a = act(BV_POLICY_CHECKPOINT, p->set.every_auto ? "auto" : "period");
    a.timeout_s = least(p->set.timeout, most(until_limit(p, now), RESERVE_S));
    return a;
}

struct bv_policy_action bv_policy_decide(struct bv_policy *p, struct bv_policy_time now)
{
    double last = until_last(p, now);
    if (p->stopping)
        return decide_last(p, now);
    if (last > LOOK_MOST)
        p->last_ns = 0; /* somebody has set the clock back */
    if (last <= 0 || (p->last_ns && deadline_of(p))) {
        struct bv_policy_action a = is_exhausted(p, now) ? decide_limit(p) : decide_last(p, now);
        if (!p->given_up)
            return a;
    }
    if (p->running)
        return wait_for(least(most(last, 0), LOOK_MOST));
    if (p->asked) {
        struct bv_policy_action a = act(BV_POLICY_CHECKPOINT, p->asked_why);
        a.timeout_s = p->set.timeout;
        return a;
    }
    return decide_period(p, now, until_period(p, now));
}

double bv_policy_next(const struct bv_policy *p, struct bv_policy_time now, char ret_why[BV_POLICY_WHY])
{
    double last = p->stopping ? 0 : until_last(p, now), due = until_period(p, now);
    const char *why = p->set.every_auto ? "auto" : "period";
    if (p->asked)
        due = 0, why = p->asked_why;
    if (!is_exhausted(p, now) && last <= due)
        due = last, why = last_why(p);
    if (!isfinite(due))
        return -1;
    snprintf(ret_why, BV_POLICY_WHY, "%s", why);
    return most(due, 0);
}
