/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* A command that is started only to be looked at: in a session of its own, and ended with all its descendants. */

struct trial {
    pid_t pid;
    const char *name; /* of the command; borrowed */
};

/* Start `command`. Its standard output becomes our standard error if `quiet`. Makes the calling process adopt what the
 * command leaves behind, and blocks the signals that would end it. Errors: BV_ENOCMD, BV_ENOEXEC, BV_EINTERNAL. */
int trial_start(char **command, int quiet, struct trial *ret, struct bv_error *err);

/* Let it run for `seconds`. Errors: BV_EENDED if it ends before that, BV_EINTERNAL if a signal
 * says that we should end. */
int trial_wait(const struct trial *t, double seconds, struct bv_error *err);

/* End it and everything it started: SIGTERM, and SIGKILL for what is left after 5 s. Waits until all are gone,
 * or warns if some cannot be ended. */
void trial_end(struct trial *t);
