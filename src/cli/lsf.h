/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "job/supervisor.h"
#include "sched/lsf/place.h"

/* What "bivouac run" takes from LSF when it runs in one of its checkpointable jobs: the job is called as its checkpoint
 * directory knows it, unless the user has named it; the store is in that directory, unless the user has named one; and
 * the directory is told, so that LSF's methods find the job. `o` and `settings` are changed accordingly; `o` then
 * points into `place`, which the caller closes. Elsewhere, and within a job of Bivouac, nothing is done. Errors:
 * BV_EUSAGE, BV_ENODIR, BV_EDENIED, BV_ESTORE. */
int cmd_lsf_adopt(struct bv_lsf_place *place, struct bv_supervise_options *o, struct bv_settings *settings,
                  struct bv_error *err);

/* The settings of a run or restart in this store. */
void cmd_lsf_use_store(struct bv_settings *settings, const char *store);
