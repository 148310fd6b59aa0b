/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "engine/engine.h"
#include "store/store.h"

/* Prove that a generation can be restored: restore it into a capsule of its own, without network, in which all of the
 * host is read-only and the job's files are copies; compare the tree with the images before it has run one instruction;
 * and throw it all away. The store is only read, and a job that runs meanwhile is not disturbed. */

struct bv_try {
    const char *scratch;  /* where the scratch directory is made; needs room for the raw images */
    double timeout;       /* s for restore and comparison, 0 = by the size of the images */
    const sigset_t *mask; /* signals that are blocked here and ask for the end; NULL = none */
};

/* Errors: BV_EINTERNAL (also when a signal came), BV_ECORRUPT, BV_EHOST, BV_ECHANGED, BV_ENODIR, BV_ERESTORE,
 * BV_ETIMEOUT, BV_ENOSPACE: as a restart. */
int bv_try_generation(const struct bv_job *job, unsigned number, const struct bv_try *how,
                      struct bv_engine_compared *ret, struct bv_error *err);
