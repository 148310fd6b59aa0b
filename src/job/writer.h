/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "store/generation.h"

/* The process that turns a staged checkpoint into an uncommitted generation: it compresses, writes and syncs, while the
 * supervisor goes on relaying. It dies with the supervisor. */

struct bv_writer {
    pid_t pid;
    int sock; /* one message comes: {is: written, totals: {…}} or {is: failed, code, text} */
};

/* Start it. `content` goes into the manifest. */
int bv_writer_start(const struct bv_job *job, unsigned generation, unsigned attempt, int staging, const json_t *content,
                    struct bv_writer *ret, struct bv_error *err);

/* Kill it if it still runs, and reap it. */
void bv_writer_end(struct bv_writer *w);
