/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"

/* CPU affinity of every thread: CRIU forgets it. Only masks that differ from the one the capsule was given are kept, so
 * that a job which never cared runs where its new scheduler wants it. */

/* It travels in a message: so many threads, and the rest is left out. */
#define BV_AFFINITY_THREADS 600

/* [{"tid": 1003, "cpus": "0-3,8"}], a new reference; returns how many were left out, or -1. */
int bv_affinity_take(pid_t root, json_t **ret, struct bv_error *err);

/* Set them again. A mask that this host does not have is left alone; the number of those is returned, -1 on error. */
int bv_affinity_restore(const json_t *affinity, struct bv_error *err);
