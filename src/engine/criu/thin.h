/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/range.h"

/* Pages of zeros in CRIU's images. CRIU dumps each page that is present, zeros as well, and a restore would read them
 * and fill memory with them. In private anonymous memory a page that is absent reads as zero: so there they are taken
 * out of the pagemap. Private to this folder, but for tests.
 *
 * The images come from a store, and are not trusted: whatever is not as it always is stays as it is. */

/* The number of the pages image that goes with a pagemap image. Returns 0 or -1. */
int criu_pages_id(const uint8_t *pagemap, size_t size, uint32_t *ret);

struct criu_thin {
    const uint8_t *pagemap, *mm; /* the two images of a process */
    size_t pagemap_size, mm_size;
    const struct bv_ranges *zeros; /* of its pages image */
    /* out: */
    uint8_t *bytes; /* the new pagemap, freed by the caller; NULL = nothing can be left out */
    size_t size;
    struct bv_ranges cuts; /* what it says is not in the pages image any more */
};

void criu_thin(struct criu_thin *t);
