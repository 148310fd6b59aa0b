/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "base/json.h"

/* Can all addresses and ports that a job had at a checkpoint be bound in this network? `content` is that of the
 * manifest, which is hostile; one that says nothing of them is good. Nothing stays bound.
 * Errors: BV_EHOST, with address, port and, where it can be seen, who has it; BV_ECORRUPT. */
int bv_ports_check(const json_t *content, struct bv_error *err);
