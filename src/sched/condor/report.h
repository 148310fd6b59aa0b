/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "store/store.h"

/* What HTCondor is told beside the exit status: attributes of the job, by condor_chirp. Where that is missing or fails
 * nothing is told, and nothing else changes. */

struct bv_condor_report {
    double cpu_s, frozen_s; /* over all attempts */
    uint64_t memory;        /* bytes, the most that was seen */
    unsigned checkpoints;
    char *needs; /* CPU features that the newest checkpoint needs, separated by spaces; NULL = there is none */
};

/* What the history of the job and its newest checkpoint say. Never fails: what cannot be read is left out. */
void bv_condor_report_read(const struct bv_job *j, struct bv_condor_report *ret);
void bv_condor_report_free(struct bv_condor_report *r);
#define autoreport __attribute__((cleanup(bv_condor_report_free)))

void bv_condor_report_send(const struct bv_condor_report *r);

/* The program has ended with this status, which could be taken for one of Bivouac's. */
void bv_condor_report_end(int status);

/* Why the job cannot go on: for the reason of its hold, and for the starter ($_CONDOR_WRAPPER_ERROR_FILE). */
void bv_condor_report_failure(const struct bv_error *e);
