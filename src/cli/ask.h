/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "job/client.h"

/* Ask for a checkpoint of a running job, wherever it runs: here over its control socket, on another host by the means
 * of its scheduler. */

struct cmd_ask {
    const char *store;  /* NULL = the default */
    const char *job;    /* "JOB" */
    const char *leave;  /* "running", "stopped" or "dead" (doc/format/control.md) */
    const char *reason; /* a word for the history */
    double timeout;     /* s, 0 = an hour */
    bv_client_progress progress;
    void *arg;
};

/* Returns when the checkpoint is committed; *ret is the answer of doc/format/control.md, a new reference, and
 * `ret_host` the host on which it was made. Errors: those of bv_client_call() and of the store, and what a scheduler
 * says. */
int cmd_ask_checkpoint(const struct cmd_ask *a, json_t **ret, char ret_host[65], struct bv_error *err);
