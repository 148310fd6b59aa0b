/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/summary.h"
#include "config/settings.h"
#include "store/store.h"

/* What bivouac prune would remove, and its removal. */

enum prune_kind {
    PRUNE_CHECKPOINT,
    PRUNE_JOB,
    PRUNE_LEFTOVER, /* of a job, or of the store */
    PRUNE_SOCKET,
};

struct prune_item {
    enum prune_kind kind;
    char job[BV_JOB_ID_MAX + 1]; /* "" = of none */
    unsigned generation;
    char *name; /* of a leftover or socket */
    char *why;
    uint64_t bytes;
    int unended; /* a job that could go on, and that nobody will start again */
    int removed;
    struct bv_error error; /* why it could not be removed */
};

/* A job that is left alone. */
struct prune_skipped {
    char job[BV_JOB_ID_MAX + 1];
    char *why;
    int lives; /* because an attempt runs it */
};

struct prune_plan {
    struct prune_item *items;
    size_t count;
    struct prune_skipped *skipped;
    size_t skipped_count;
};

struct prune_request {
    const struct bv_settings *settings; /* for jobs that do not say what they keep; options count for all */
    double older_than;                  /* s: ended jobs as old as that go; < 0 = none */
    char **jobs;                        /* only these; NULL = all, and what belongs to none */
};

/* Nothing is changed by this. Errors: BV_ENOJOB for one that is named, BV_ESTORE. */
int prune_find(struct bv_store *s, const struct prune_request *r, struct prune_plan *ret, struct bv_error *err);

/* Add to a plan that begins as {0}: a job as a whole, or one that is left alone. Take `why`. */
void prune_add_job(struct prune_plan *plan, const struct bv_job *job, char *why, int unended);
void prune_skip(struct prune_plan *plan, const char *job, int lives, char *why);

/* Why nothing of a job may be touched, allocated; NULL if it may. */
char *prune_why_busy(const struct cmd_job_state *s);

/* Remove what the plan says, and nothing else; a job that lives by now is left alone. */
void prune_carry_out(struct bv_store *s, struct prune_plan *plan);

/* Print the plan, or with `yes` what has become of it. Returns the code of the first thing that could not be removed.
 */
int prune_tell(const struct bv_store *s, const struct prune_plan *plan, int yes, int json);

void prune_free(struct prune_plan *plan);

const char *prune_kind_name(enum prune_kind kind);

/* "demo@3", "demo/.staging-0003", "/run/…sock". Allocated. */
char *prune_item_name(const struct prune_item *i);
