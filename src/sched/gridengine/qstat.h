/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* The jobs that Grid Engine knows: running, pending, held or in error. */
struct bv_gridengine_known {
    unsigned long long *job;
    size_t count;
};
void bv_gridengine_known_free(struct bv_gridengine_known *k);

/* Those of this user. Errors: BV_ENOCMD, BV_ETIMEOUT, BV_EINTERNAL (qstat has failed), BV_EPROTO. */
int bv_gridengine_known(struct bv_gridengine_known *ret, struct bv_error *err);

/* The parser behind it, of "qstat -xml". Only of a document that is whole: what is missing would be taken for gone.
 * Errors: BV_EPROTO. */
int bv_gridengine_known_parse(const char *xml, struct bv_gridengine_known *ret, struct bv_error *err);

int bv_gridengine_knows(const struct bv_gridengine_known *k, unsigned long long job);
