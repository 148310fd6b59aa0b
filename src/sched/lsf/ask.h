/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "sched/lsf/args.h"

/* LSF's own commands, as they are asked by the hooks. */

/* Run a command of $LSF_BINDIR (of $PATH, if that is not set) with these arguments; argv[0] is its name. What it writes
 * to standard output is *ret, allocated. Errors: BV_ENOCMD, BV_ETIMEOUT (it is killed then), BV_EINTERNAL if it fails;
 * the text has what it complained about. */
int bv_lsf_command(const char *const *argv, double timeout, char **ret, struct bv_error *err);

/* The run limit in minutes, rounded up, in what "bjobs -l" says; 0 if there is none. */
unsigned bv_lsf_run_limit(const char *bjobs);

/* N of "Job <N> is submitted to queue <Q>."; 0 if it is not there. */
unsigned long long bv_lsf_submitted(const char *brestart);
