/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Constants of the generation's files (doc/format/generation.md) and the limits that every reader enforces before it
 * allocates. Private to src/store. */

#define BV_PAGE_SIZE 4096u

#define BV_PACK_MAGIC  "BVPACK02"
#define BV_PACK_HEADER 64u
#define BV_PACK_NAME   24u /* "pack-000007.bvp" */

#define BV_BLOCK_HEADER 32u
#define BV_BLOCK_MAX    (1u << 20) /* raw bytes of a block; zstd gains little beyond, a reader needs two */
#define BV_BLOCK_PAGES  (BV_BLOCK_MAX / BV_PAGE_SIZE)

enum bv_codec { BV_CODEC_RAW = 0, BV_CODEC_ZSTD = 1, BV_CODEC_SHUFFLED = 2 /* shuffle.h, then zstd */ };

#define BV_INDEX_MAGIC "BVINDEX2"
#define BV_INDEX_FILE  "index"
/* The page digests alone are 4 MiB per GiB of job: this is enough for 2 TiB, less what is zero. */
#define BV_INDEX_MAX       (8ull << 30)
#define BV_EXTENT_BYTES    16u
#define BV_DIGEST_BYTES    16u
#define BV_ENTRY_BYTES     8u /* of a block in the index */
#define BV_EXTENT_ZERO     UINT32_MAX
#define BV_STREAM_NAME_MAX 255u
#define BV_STREAMS_MAX     (1u << 20)
#define BV_PACKS_MAX       64u /* each is an open file of the reader */

/* What a writer keeps of earlier generations: packs of which at least this share is in use, and so many with its own.
 * Restart reads at most 1/0.7 of what it needs, from few files, however many generations there were. */
#define BV_LIVE_PERCENT 70u
#define BV_PACKS_SHARED 8u

#define BV_MANIFEST_FORMAT "bivouac-generation 2"
#define BV_MANIFEST_FILE   "manifest"
#define BV_MANIFEST_MAX    (64u << 20)

#define BV_SIZE_LIMIT ((uint64_t)INT64_MAX) /* of any file or stream: off_t */
