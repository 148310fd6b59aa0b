/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <string.h>

#include "store/digest.h"
#include "store/format.h"
#include "store/layout.h"

/* What both sides of an export know of the stream (doc/format/export.md). Private to src/store. */

#define BV_EXPORT_FORMAT "bivouac-export 1"

/* The members, in this order; between events and end come GGGGGG/manifest, GGGGGG/index, GGGGGG/pack-NNNNNN.bvp. */
#define BV_EXPORT_HEAD   "bivouac-export"
#define BV_EXPORT_RECORD "job.json"
#define BV_EXPORT_EVENTS "events.jsonl"
#define BV_EXPORT_END    "end"

#define BV_EXPORT_HEAD_MAX   4096u
#define BV_EXPORT_RECORD_MAX (4u << 20)
#define BV_EXPORT_NAME       (BV_LAYOUT_NAME + BV_PACK_NAME)

#define BV_EXPORT_STEP (1u << 20) /* bytes that are moved at once */

/* The digest in the last member covers, for each member before it, the name with a NUL behind it, the size as 8 bytes
 * (little-endian), and the bytes: so a member that is missing, cut off or moved changes it. */
static inline void bv_export_digest_member(XXH3_state_t *digest, const char *name, uint64_t size)
{
    uint8_t le[8];
    for (size_t i = 0; i < sizeof(le); i++)
        le[i] = (uint8_t)(size >> 8 * i);
    bv_digest_add(digest, name, strlen(name) + 1);
    bv_digest_add(digest, le, sizeof(le));
}
