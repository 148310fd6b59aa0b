/* SPDX-License-Identifier: Apache-2.0 */
/* Does what the policy says: gives it the time, the job's memory and everything that happens, and makes its
 * checkpoints. The policy knows why; here is how. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "job/advice.h"
#include "job/past.h"
#include "job/supervisor_private.h"

#define ADVICE_TIMEOUT 1   /* s: a message is there whole or not at all */
#define ADVICE_BAD_MAX 16  /* messages that make no sense, then nobody listens any more */
#define ADVICE_GAP     0.1 /* s between two messages: a flood must not keep the supervisor from its work */
#define BUSY_WAIT      0.2 /* s, while an earlier checkpoint is being given up */

static struct bv_policy_time policy_now(void)
{
    return (struct bv_policy_time){bv_clock_ns(CLOCK_MONOTONIC), bv_clock_ns(CLOCK_REALTIME)};
}

static void ask_in(struct supervisor *s, double seconds)
{
    s->policy.ask_ns = bv_clock_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * (double)BV_NSEC_PER_SEC);
}

/* Takes the reference of `fields`. A line that cannot be written is no reason to end the job. */
static void note_event(struct supervisor *s, const char *event, json_t *fields)
{
    autojson json_t *owned = fields;
    bv_event_append(&s->job, event, s->attempt.number, owned, NULL);
}

/* --- what it is told --- */

static void note_deadline(struct supervisor *s, int64_t at_ns, const char *why)
{
    note_event(s, "deadline",
               json_pack("{s:o, s:s}", "at", at_ns ? json_integer(at_ns / BV_NSEC_PER_SEC) : json_null(), "why", why));
}

void policy_open(struct supervisor *s)
{
    const struct bv_supervise_options *o = s->options;
    struct policy *d = &s->policy;
    autojson json_t *events = NULL;
    struct bv_past past = {0};
    if (bv_event_read(&s->job, &events, NULL) == 0)
        past = bv_past_read(events, s->attempt.number);
    struct bv_policy_settings set = {
        .every = o->settings->every > 0 ? o->settings->every : 0,
        .every_auto = o->settings->every == BV_EVERY_AUTO,
        .mtbf = o->settings->mtbf,
        .lead = o->settings->lead > 0 ? o->settings->lead : 0,
        .timeout = o->settings->timeout,
        .overrun = o->settings->overrun,
        .max_restarts = o->settings->max_restarts,
        .time_budget = o->settings->time_budget,
    };
    bv_policy_init(&d->policy, &set, policy_now());
    bv_policy_past(&d->policy, s->attempt.number, past.run_s);
    d->policy.costs = past.costs;
    d->no_progress_before = past.no_progress;
    d->advice = o->advice_fd > STDERR_FILENO ? o->advice_fd : -1;
    if (!o->settings->deadline_ns)
        return;
    bv_policy_deadline(&d->policy, BV_DEADLINE_USER, o->settings->deadline_ns);
    note_deadline(s, o->settings->deadline_ns, "deadline");
}

void policy_close(struct supervisor *s)
{
    close_fd(&s->policy.advice);
}

/* The engine's own work was done by the processes that have become the tree: what counts is what comes now. */
void policy_started(struct supervisor *s)
{
    struct usage u = {0};
    supervisor_usage(s, &u);
    s->policy.cpu_base = u.cpu_s;
    s->policy.ask_ns = 0;
}

void policy_begun(struct supervisor *s)
{
    bv_policy_begun(&s->policy.policy, policy_now(), s->checkpoint.leave == BV_LEAVE_DEAD);
    s->policy.ask_ns = 0;
}

void policy_committed(struct supervisor *s)
{
    const struct checkpoint *c = &s->checkpoint;
    struct policy_last *last = &s->policy.last;
    struct bv_policy_time now = policy_now();
    *last = (struct policy_last){
        .generation = c->generation,
        .at_ns = now.wall_ns,
        .frozen_s = (double)c->frozen_ns / 1e9,
        .total_s = (double)c->total_ns / 1e9,
    };
    memcpy(last->why, c->reason, sizeof(last->why));
    struct bv_cost cost = {.frozen_s = last->frozen_s, .total_s = last->total_s, .memory = c->memory};
    bv_policy_committed(&s->policy.policy, now, cost);
    s->policy.made++;
    s->policy.ask_ns = 0;
}

void policy_failed(struct supervisor *s)
{
    bv_policy_failed(&s->policy.policy, policy_now());
    s->policy.ask_ns = 0;
}

void policy_suspended(struct supervisor *s)
{
    bv_policy_suspended(&s->policy.policy, s->left_stopped);
    s->policy.ask_ns = 0;
}

void policy_order(struct supervisor *s, const char *why)
{
    bv_policy_ask(&s->policy.policy, why);
    s->policy.ask_ns = 0;
}

/* --- signals --- */

static enum bv_signal_action meaning_of(const struct supervisor *s, int number)
{
    return number > 0 && number < BV_SIGNALS ? (enum bv_signal_action)s->options->settings->on_signal.of[number]
                                             : BV_SIGNAL_PASS;
}

int policy_signal(struct supervisor *s, int number)
{
    char why[BV_POLICY_WHY];
    enum bv_signal_action action = meaning_of(s, number);
    const char *name = sigabbrev_np(number);
    if (name)
        snprintf(why, sizeof(why), "signal:SIG%s", name);
    else
        snprintf(why, sizeof(why), "signal:%d", number);
    if (action == BV_SIGNAL_CHECKPOINT)
        bv_policy_ask(&s->policy.policy, why);
    if (action == BV_SIGNAL_CHECKPOINT_AND_STOP)
        bv_policy_stop(&s->policy.policy, policy_now(), why, s->options->settings->grace);
    s->policy.ask_ns = 0;
    return action != BV_SIGNAL_PASS;
}

enum policy_early policy_signal_early(struct supervisor *s, int number)
{
    switch (meaning_of(s, number)) {
    case BV_SIGNAL_CHECKPOINT_AND_STOP:
        s->policy.stopped_early = 1;
        return POLICY_EARLY_STOP;
    case BV_SIGNAL_CHECKPOINT:
    case BV_SIGNAL_IGNORE:
        return POLICY_EARLY_IGNORE;
    case BV_SIGNAL_PASS:
        break;
    }
    return POLICY_EARLY_PASS;
}

/* --- advice --- */

static void take(struct supervisor *s, const struct bv_advice *a)
{
    struct bv_policy *p = &s->policy.policy;
    switch (a->kind) {
    case BV_ADVICE_DEADLINE:
        if (p->deadline_ns[BV_DEADLINE_SCHEDULER] == a->at_ns)
            return;
        bv_policy_deadline(p, BV_DEADLINE_SCHEDULER, a->at_ns);
        note_deadline(s, a->at_ns, a->why);
        return;
    case BV_ADVICE_STOP:
        bv_policy_stop(p, policy_now(), a->why, a->grace);
        return;
    case BV_ADVICE_CHECKPOINT:
        bv_policy_ask(p, a->why);
        return;
    case BV_ADVICE_NOTE:
        bv_note("job %s: %s", s->job.id, a->text);
        return;
    }
}

int policy_advice_fd(const struct supervisor *s)
{
    return bv_clock_ns(CLOCK_MONOTONIC) >= s->policy.deaf_until_ns ? s->policy.advice : -1;
}

int64_t policy_wake_ns(const struct supervisor *s)
{
    const struct policy *d = &s->policy;
    int64_t at = s->root > 0 ? d->ask_ns : INT64_MAX;
    return d->advice >= 0 && d->deaf_until_ns > bv_clock_ns(CLOCK_MONOTONIC) && d->deaf_until_ns < at ? d->deaf_until_ns
                                                                                                      : at;
}

/* Its death changes nothing: what it has said holds on. */
void policy_on_advice(struct supervisor *s)
{
    struct policy *d = &s->policy;
    struct bv_error err = {0};
    struct bv_advice a;
    automsg struct bv_msg m = {0};
    int got = bv_msg_recv(d->advice, &m, bv_deadline_in(ADVICE_TIMEOUT), &err);
    d->deaf_until_ns = bv_clock_ns(CLOCK_MONOTONIC) + (int64_t)(ADVICE_GAP * (double)BV_NSEC_PER_SEC);
    d->ask_ns = 0;
    if (got > 0 && bv_advice_parse(m.body, &a, &err) == 0) {
        take(s, &a);
        return;
    }
    if (got == 0 || ++d->bad_advice >= ADVICE_BAD_MAX || (err.code != BV_EPROTO && err.code != BV_ETIMEOUT))
        close_fd(&d->advice);
    if (d->bad_advice == 1 || d->bad_advice == ADVICE_BAD_MAX)
        bv_warn("job %s: the scheduler's watcher says something that is not understood: %s", s->job.id, err.text);
}

/* --- what it says --- */

static void report_refused(struct supervisor *s, const char *why, const struct bv_error *e)
{
    bv_warn("no checkpoint of job %s (%s): %s", s->job.id, why, e->text);
    note_event(s, "checkpoint-failed",
               json_pack("{s:s, s:s, s:o}", "why", why, "code", bv_code_name(e->code), "text", bv_json_bytes(e->text)));
}

static void make_checkpoint(struct supervisor *s, const struct bv_policy_action *a)
{
    struct bv_error e = {0};
    int last = a->what == BV_POLICY_LAST || s->options->each_ends;
    if (checkpoint_begin(s, last ? BV_LEAVE_DEAD : BV_LEAVE_RUNNING, a->timeout_s, a->why, &e) == 0) {
        s->checkpoint.by_policy = 1;
        s->checkpoint.verify = last;
        return;
    }
    report_refused(s, a->why, &e);
    bv_policy_begun(&s->policy.policy, policy_now(), last);
    policy_failed(s);
    if (e.code == BV_EFENCED)
        supervisor_fail(s, &e);
}

static void end_attempt(struct supervisor *s, const struct bv_policy_action *a)
{
    bv_fault_point("last-end");
    if (a->fresh)
        bv_note("job %s ends (%s): it was checkpointed shortly before; run it again to continue", s->job.id, a->why);
    else if (s->base)
        bv_note("job %s ends (%s) without a new checkpoint: run it again to continue from generation %u", s->job.id,
                a->why, s->base);
    else
        bv_note("job %s ends (%s) without a checkpoint: it will start from the beginning", s->job.id, a->why);
    supervisor_end(s, a->fresh ? BV_ENDED_CHECKPOINTED : BV_ENDED_STOPPED, 0);
}

static void tell(struct supervisor *s, const struct bv_policy_action *a)
{
    bv_warn("job %s (%s): %s", s->job.id, a->why, a->text);
    note_event(s, "checkpoint-skipped", json_pack("{s:s, s:s}", "why", a->why, "text", a->text));
}

void policy_run(struct supervisor *s)
{
    struct policy *d = &s->policy;
    struct usage u;
    if (s->root <= 0 || bv_clock_ns(CLOCK_MONOTONIC) < d->ask_ns)
        return;
    if (supervisor_usage(s, &u) == 0)
        bv_policy_memory(&d->policy, policy_now(), u.memory);
    while (!s->ended) {
        struct bv_policy_action a = bv_policy_decide(&d->policy, policy_now());
        switch (a.what) {
        case BV_POLICY_WAIT:
            ask_in(s, a.wait_s);
            return;
        case BV_POLICY_SAY:
            tell(s, &a);
            break;
        case BV_POLICY_END:
            end_attempt(s, &a);
            return;
        case BV_POLICY_CHECKPOINT:
        case BV_POLICY_LAST:
            if (s->operating) {
                ask_in(s, BUSY_WAIT);
                return;
            }
            make_checkpoint(s, &a);
            break;
        }
    }
}

/* --- the end of the attempt --- */

/* Whoever is stopped without a new checkpoint goes on from where this attempt has begun, and whoever cannot be restored
 * does too. Once is bad luck; twice in a row would be so for ever, on a scheduler that starts the job again each time.
 */
void policy_conclude(struct supervisor *s)
{
    struct policy *d = &s->policy;
    int stopped = !s->failure.code && s->outcome.how == BV_ENDED_STOPPED && d->made == 0;
    int failed = d->restore_failed && (s->failure.code == BV_ERESTORE || s->failure.code == BV_EENGINE);
    struct usage u = {0};
    if (!stopped && !failed)
        return;
    json_t *fields = json_pack("{s:s}", "why", stopped ? "stopped" : "restore");
    if (supervisor_usage(s, &u) == 0)
        bv_json_set(fields, "cpu_s", json_real(u.cpu_s > d->cpu_base ? u.cpu_s - d->cpu_base : 0));
    note_event(s, "no-progress", fields);
    if (!d->no_progress_before)
        return;
    struct bv_error e = s->failure;
    char kept[64] = "it has no checkpoint yet";
    if (s->base)
        snprintf(kept, sizeof(kept), "its checkpoint %u is kept", s->base);
    bv_fail(&s->failure, BV_ENOPROGRESS, 0, "job %s has made no progress in two attempts in a row (%s); %s", s->job.id,
            failed ? e.text : "each was stopped before a checkpoint could be made", kept);
}

json_t *policy_status_last(const struct supervisor *s)
{
    const struct policy_last *l = &s->policy.last;
    return l->generation
               ? json_pack("{s:i, s:f, s:o, s:f, s:f}", "generation", (int)l->generation, "at", (double)l->at_ns / 1e9,
                           "why", bv_json_bytes(l->why), "frozen_s", l->frozen_s, "total_s", l->total_s)
               : json_null();
}

json_t *policy_status_next(const struct supervisor *s)
{
    char why[BV_POLICY_WHY];
    struct bv_policy_time now = policy_now();
    double in_s = bv_policy_next(&s->policy.policy, now, why);
    return in_s < 0 ? json_null() : json_pack("{s:f, s:s}", "at", (double)now.wall_ns / 1e9 + in_s, "why", why);
}
