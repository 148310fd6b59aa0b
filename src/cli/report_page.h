/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include "cli/summary.h"
#include "job/timeline.h"

/* A page of HTML that needs nothing else, and runs nothing: what became of a job, in words, figures and plots.
 * `record` is the job's (job.json). */
void report_page(FILE *out, const char *job, const json_t *record, const struct cmd_job_state *state,
                 const struct bv_timeline *t);
