/* SPDX-License-Identifier: Apache-2.0 */
/* A block as a pack holds it: header and stored bytes. The digest is made to fit, so that the decoder is reached. */
#include <stdlib.h>

#include "store/pack_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bv_block_header h;
    struct bv_decoder d;
    const uint8_t *raw;
    uint64_t seed = 0;
    if (size >= BV_PACK_HEADER)
        bv_pack_header_parse(data, 1, &seed);
    if (size < BV_BLOCK_HEADER || bv_block_header_parse(data, &h) < 0 || size - BV_BLOCK_HEADER < h.stored)
        return 0;
    bv_decoder_init(&d);
    if (bv_block_decode(&d, &h, seed, data + BV_BLOCK_HEADER, &raw) < 0) {
        h.digest = bv_block_digest(seed, raw, h.raw);
        bv_block_decode(&d, &h, seed, data + BV_BLOCK_HEADER, &raw);
    }
    bv_decoder_free(&d);
    return 0;
}
