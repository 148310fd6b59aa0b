/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* Commands of others (srun, scontrol, brestart), run with a list of arguments and no shell. */

#define BV_COMMAND_OUTPUT_MAX (1 << 20) /* bytes of each of its two outputs; what comes behind is dropped */

struct bv_command_result {
    int status; /* of its exit, 128 + N for a death by signal N */
    char *out;  /* what it wrote to standard output, with a NUL */
    char *err;  /* … to standard error */
};

/* Run `file`, found in PATH unless it has a slash, with nothing to read, and wait for `timeout` s at most. argv[0] is
 * what it is called in messages. Errors: BV_ENOCMD, BV_ETIMEOUT (it has been killed), BV_EINTERNAL. How it ended is no
 * error. */
int bv_command_run(const char *file, char *const *argv, double timeout, struct bv_command_result *ret,
                   struct bv_error *err);
void bv_command_free(struct bv_command_result *r);
#define autocommand __attribute__((cleanup(bv_command_free)))

/* The last line of what it complained about, for a message; or of its output. Cut off at `size`. */
void bv_command_complaint(const struct bv_command_result *r, char *ret, size_t size);
