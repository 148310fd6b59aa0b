/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "policy/cost.h"

/* When a running job is to be checkpointed, and why. Pure: no clock, no file, no process. Whoever drives it (the
 * supervisor) tells what time it is and what happens, asks what to do, does it, and asks again.
 *
 * Periods and graces are measured on the monotonic clock, which nobody sets; a deadline is a moment of the wall clock,
 * because whoever will end the job has that one. There is never more than one checkpoint at a time. */

struct bv_policy_settings {
    double every;          /* s from the begin of one periodic checkpoint to that of the next; 0 = none */
    int every_auto;        /* instead: so long as bv_interval_daly() says for what they have cost */
    double mtbf;           /* s, mean time between failures, for every_auto */
    double lead;           /* s; the last checkpoint begins no later than this before the deadline */
    double timeout;        /* s for one checkpoint */
    int overrun;           /* a deadline is a limit that may be overrun, but only max_restarts times */
    unsigned max_restarts; /* with overrun */
    double time_budget;    /* s for all attempts together, 0 = none; behind it no deadline is overrun any more */
};

struct bv_policy_time {
    int64_t mono_ns; /* CLOCK_MONOTONIC */
    int64_t wall_ns; /* CLOCK_REALTIME */
};

#define BV_POLICY_WHY  64
#define BV_POLICY_TEXT 256

/* A user and a scheduler may both have named a deadline: the earlier one counts. */
enum bv_policy_deadline { BV_DEADLINE_USER, BV_DEADLINE_SCHEDULER, BV_DEADLINES };

/* The fields are policy.c's own. */
struct bv_policy {
    struct bv_policy_settings set;
    struct bv_costs costs;
    unsigned restarts; /* before this attempt */
    double used_s;     /* by the attempts before */
    int suspended;

    int64_t begun_ns; /* the attempt */
    uint64_t memory;
    double growth;       /* bytes/s, >= 0 */
    uint64_t grown_from; /* what it was at grown_ns */
    int64_t grown_ns;

    int64_t anchor_ns; /* from where the period counts */
    int64_t retry_ns;  /* not before, after a failure; 0 = no failure */
    unsigned failures; /* in a row */

    int running, running_ends; /* a checkpoint is being made; one that ends the attempt */
    int64_t running_ns;
    int64_t committed_ns; /* the last one of this attempt, 0 = none */

    int64_t deadline_ns[BV_DEADLINES]; /* wall clock, 0 = none */
    int given_up;                      /* nothing can be done before the deadline any more */

    int asked; /* for a checkpoint */
    char asked_why[BV_POLICY_WHY];
    int stopping; /* asked to end the attempt */
    char stop_why[BV_POLICY_WHY];
    int64_t stop_ns; /* limit of the grace, monotonic */

    int64_t last_ns; /* since when the last checkpoint is due, 0 = it is not */
    unsigned last_failures;
    int64_t last_retry_ns;
    unsigned said; /* what need not be told twice */
};

void bv_policy_init(struct bv_policy *p, const struct bv_policy_settings *set, struct bv_policy_time now);

/* What the attempts before have left: how often the job was restarted, how long it has run. Costs of checkpoints, the
 * oldest first, are told with bv_costs_add(&p->costs, …). */
void bv_policy_past(struct bv_policy *p, unsigned restarts, double used_s);

/* A deadline (0 = none) replaces the one that was known from there. */
void bv_policy_deadline(struct bv_policy *p, enum bv_policy_deadline from, int64_t wall_ns);

/* How much memory the tree has now. */
void bv_policy_memory(struct bv_policy *p, struct bv_policy_time now, uint64_t bytes);

/* While the job is stopped nothing changes in it, and no periodic checkpoint is made. */
void bv_policy_suspended(struct bv_policy *p, int suspended);

/* Somebody asks for a checkpoint. One that runs already will do. */
void bv_policy_ask(struct bv_policy *p, const char *why);

/* Somebody asks for the end of the attempt, with a checkpoint if that can be had within `grace` s. Of several the
 * nearest limit counts. */
void bv_policy_stop(struct bv_policy *p, struct bv_policy_time now, const char *why, double grace);

/* What happens to checkpoints, also to those that were asked for by hand. */
void bv_policy_begun(struct bv_policy *p, struct bv_policy_time now, int ends_attempt);
void bv_policy_committed(struct bv_policy *p, struct bv_policy_time now, struct bv_cost cost);
void bv_policy_failed(struct bv_policy *p, struct bv_policy_time now);

enum bv_policy_do {
    BV_POLICY_WAIT,       /* nothing for `wait_s`, or until something happens */
    BV_POLICY_CHECKPOINT, /* make one, because of `why`, within `timeout_s`; the job goes on */
    BV_POLICY_LAST,       /* the same, and end the attempt with it */
    BV_POLICY_END,        /* end the attempt now: the newest checkpoint has to do */
    BV_POLICY_SAY,        /* tell the user `text`, concerning `why`; then ask again at once */
};

struct bv_policy_action {
    enum bv_policy_do what;
    double wait_s, timeout_s;
    int fresh; /* END: a checkpoint was made since the end is wanted */
    char why[BV_POLICY_WHY];
    char text[BV_POLICY_TEXT];
};

/* What to do now. What it says to do must be done, or told as failed. */
struct bv_policy_action bv_policy_decide(struct bv_policy *p, struct bv_policy_time now);

/* The next checkpoint that is foreseen: seconds until its begin (0 = now) and why; -1 if there is none. */
double bv_policy_next(const struct bv_policy *p, struct bv_policy_time now, char ret_why[BV_POLICY_WHY]);
