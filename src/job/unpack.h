/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "engine/engine.h"
#include "store/generation.h"

/* What every restore of a generation begins with. */

/* Could the job run on this host? CPU features that are `ignored` (words, NULL = none) may be missing.
 * Errors: BV_EHOST, BV_ECORRUPT. */
int bv_unpack_check_host(const json_t *content, const char *ignored, struct bv_error *err);

/* Write images and captured files of the generation into the empty directory `staging`, without zeros that the engine
 * need not restore; reading verifies every block.
 * Errors: BV_ECORRUPT, BV_ENOSPACE, BV_ESTORE. */
int bv_unpack(struct bv_gen *g, const struct bv_engine *engine, int staging, struct bv_error *err);
