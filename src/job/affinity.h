/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"

/* CPU affinity of every thread: CRIU forgets it. Only masks that differ from the one the capsule was given are kept, so
 * that a job which never cared runs where its new scheduler wants it. */

/* [{"tid": 1003, "cpus": [0, 2]}], a new reference. */
int bv_affinity_take(pid_t root, json_t **ret, struct bv_error *err);

/* Set them again. A mask that this host does not have is left alone; the number of those is returned, -1 on error. */
int bv_affinity_restore(const json_t *affinity, struct bv_error *err);
