/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "job/spec.h"

/* The record of a job that begins as a copy of another, from its checkpoint "JOB" (the newest) or "JOB@GEN": that of
 * the original, and where it begins. `store_path` NULL = the default. Errors: BV_ENOJOB, BV_ENOCKPT, BV_EUSAGE … */
int cmd_copy_spec(const char *store_path, const char *ref, struct bv_spec *ret, struct bv_error *err);
