/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/summary.h"
#include "job/timeline.h"

/* What is to be known of all jobs of some stores now: what top and metrics show. */

struct cmd_watched {
    const char *store; /* its path; borrowed from the list */
    char *job;
    struct bv_error why; /* code != 0: it cannot be read, and the rest is empty */
    struct cmd_job_state state;
    struct bv_timeline timeline;
    json_t *status; /* what its supervisor answered (doc/format/control.md); NULL = none, elsewhere, or it hangs */
};

struct cmd_watch {
    char **path; /* of the stores */
    size_t stores;
    struct cmd_watched *job; /* by store and name */
    size_t jobs;
};

/* The default store, if `stores` (which ends with NULL) is NULL. A job that cannot be read is in the list, but not one
 * that does not run, if `live` is set. Supervisors that hang cost a second, all together. Errors: a store that cannot
 * be opened. */
int cmd_watch_read(char *const *stores, int live, struct cmd_watch *ret, struct bv_error *err);
void cmd_watch_free(struct cmd_watch *w);
#define autowatch __attribute__((cleanup(cmd_watch_free)))

/* A number of the supervisor's answer, or < 0. */
double cmd_watched_number(const struct cmd_watched *w, const char *key);

/* When its next checkpoint is due, in seconds since 1970 (< 0 = nothing is), and why (NULL; borrowed, escaped). */
double cmd_watched_next(const struct cmd_watched *w, const json_t **ret_why);

/* How long its newest attempt has run, < 0 if it does not. */
double cmd_watched_elapsed(const struct cmd_watched *w);

/* The newest checkpoint that the history knows, or NULL. */
const struct bv_timeline_checkpoint *cmd_watched_last(const struct cmd_watched *w);

/* `take` of an option that adds to a list of strings (options.h). */
int cmd_take_list(const char *text, void *to, struct bv_error *err);
