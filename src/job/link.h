/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "config/value.h"

/* Can this host give a job the address of its own that it asks for? To be asked before anything of an attempt begins.
 * Errors: BV_EHOST, with what is missing. */
int bv_link_check(const struct bv_network *network, struct bv_error *err);
