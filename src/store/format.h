/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Constants of the generation's files (doc/format/generation.md) and the limits that every reader enforces before it
 * allocates. Private to src/store. */

#define BV_PAGE_SIZE 4096u

#define BV_PACK_MAGIC  "BVPACK01"
#define BV_PACK_HEADER 64u
#define BV_PACK_FILE   "pack-0.bvp"

#define BV_BLOCK_HEADER 32u
#define BV_BLOCK_MAX    (1u << 20) /* raw bytes of a block: 256 pages; zstd gains little beyond, a reader needs two */

enum bv_codec { BV_CODEC_RAW = 0, BV_CODEC_ZSTD = 1 };

#define BV_INDEX_MAGIC "BVINDEX1"
#define BV_INDEX_FILE  "index"
/* 1 GiB of index is 44 million extents: a process of 160 GiB in which every second page is zero. */
#define BV_INDEX_MAX       (1u << 30)
#define BV_EXTENT_BYTES    24u
#define BV_EXTENT_ZERO     UINT32_MAX
#define BV_STREAM_NAME_MAX 255u
#define BV_STREAMS_MAX     (1u << 20)
#define BV_PACKS_MAX       256u /* each is an open file of the reader */
#define BV_PACK_NUMBER_MAX 999u

#define BV_MANIFEST_FORMAT "bivouac-generation 1"
#define BV_MANIFEST_FILE   "manifest"
#define BV_MANIFEST_MAX    (64u << 20)

#define BV_SIZE_LIMIT ((uint64_t)INT64_MAX) /* of any file or stream: off_t */
