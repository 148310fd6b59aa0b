/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/json.h"
#include "store/attempt.h"

/* Talk to the supervisor of a running job. */

/* Called for each sign of life before the answer: "dump", "write". */
typedef void (*bv_client_progress)(void *arg, const char *phase);

struct bv_client_call_options {
    double timeout; /* s until the answer, 0 = none */
    bv_client_progress progress;
    void *arg;
};

/* Send `request` to the supervisor of the newest attempt `a`, and wait for the answer, a new reference.
 * Errors: BV_ENOTRUNNING (ended, on another host, or nobody listens), BV_EDENIED, BV_ETIMEOUT, BV_EPROTO, and what the
 * supervisor answers. */
int bv_client_call(const char *job, const struct bv_attempt_info *a, const json_t *request,
                   const struct bv_client_call_options *options, json_t **ret, struct bv_error *err);

/* One of many supervisors that are asked for their status at once. */
struct bv_client_ask {
    const char *job;
    const struct bv_attempt_info *attempt;
    json_t *status; /* set: a new reference, or NULL where there was no good answer in time */
};

/* Never takes longer than `timeout` s, whatever the supervisors do. */
void bv_client_ask_all(struct bv_client_ask *ask, size_t count, double timeout);
