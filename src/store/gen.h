/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/generation.h"
#include "store/index.h"
#include "store/manifest.h"
#include "store/pack_read.h"

/* An open generation, as its readers see it. Private to src/store. */

struct bv_gen {
    char what[BV_JOB_ID_MAX + 64]; /* "generation 7 of job J" */
    struct bv_manifest manifest;
    struct bv_index index;
    struct bv_pack_reader *packs; /* one for each of the index; fd -1 until opened */
    struct bv_block_buffer block;
};
