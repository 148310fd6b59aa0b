/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "capsule/private.h"

/* Where src/preload/keep.c puts what the job deletes in its own memory file systems while it may be in use. In the
 * init. Without `config->preload` all of this does nothing. */

struct capsule_kept {
    int watch; /* tells of deletions; -1 = there is nothing to watch */
    int private_tmp;
    int64_t due_ns; /* when to look again, CLOCK_MONOTONIC; 0 = not before the next deletion */
};

/* Make the directories, and the job's copy of the library. Errors: BV_EHOST. */
int capsule_kept_prepare(const struct bv_capsule_config *config, struct capsule_kept *ret, struct bv_error *err);

/* Delete what nobody uses any more, if it is time to; not while an operation looks at these files (`busy`). */
void capsule_kept_sweep(struct capsule_kept *k, int busy);

/* For poll(2), with which to wait for `watch` too: milliseconds until it is time, or -1. */
int capsule_kept_timeout(const struct capsule_kept *k, int busy);
