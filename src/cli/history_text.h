/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include "job/timeline.h"

/* The history of a job as lines for people: what each event says, and, where an attempt was lost, that it was. */

/* The lines, each without its newline; freed with history_lines_free(). The same history with more events has the same
 * lines, and more. */
void history_lines(const struct bv_timeline *t, char ***ret, size_t *ret_count);
void history_lines_free(char **lines, size_t count);

/* What it sums up to. */
void history_print_totals(const struct bv_timeline *t, FILE *out);

/* "0.021 s", "12 s", "5 min", "3.2 h", "4.1 d" */
void history_duration_text(double seconds, char ret[24]);
