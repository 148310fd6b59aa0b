/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/json.h"
#include "store/attempt.h"

/* What the methods of schedulers do with a running job: a method is told a process, and asks the supervisor for a
 * checkpoint. */

/* The attempt that runs `job` here, now. Its supervisor must be in process group `group`, or that very process, or
 * below it: else the scheduler means another job. `ret` is freed by bv_attempt_info_free(), also on failure.
 * Errors: BV_ENOTRUNNING, BV_EUSAGE (another process), BV_ECORRUPT, BV_ESTORE. */
int bv_supervised_find(const struct bv_job *job, pid_t group, struct bv_attempt_info *ret, struct bv_error *err);

/* Ask for a checkpoint (doc/format/control.md), and again for `timeout` s as long as another one is being made. *ret is
 * the answer, a new reference. Errors: those of bv_client_call(). */
int bv_supervised_checkpoint(const struct bv_job *job, const struct bv_attempt_info *a, const json_t *request,
                             double timeout, json_t **ret, struct bv_error *err);
