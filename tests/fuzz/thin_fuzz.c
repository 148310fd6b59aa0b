/* SPDX-License-Identifier: Apache-2.0 */
/* Images of a process: two bytes with the length of its pagemap, the pagemap, then its mm image. Where its pages are
 * zeros is taken from the bytes too. */
#include <stdlib.h>
#include <string.h>

#include "engine/criu/thin.h"

#define PAGE 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bv_ranges zeros = {0};
    uint32_t id;
    if (size < 2)
        return 0;
    size_t pagemap = (size_t)data[0] | (size_t)data[1] << 8;
    data += 2;
    size -= 2;
    if (pagemap > size)
        pagemap = size;
    uint64_t at = 0;
    for (size_t i = 0; i < size; at += data[i++] * PAGE / 4u)
        if (at % 3 == 0)
            bv_ranges_add(&zeros, at, data[i] * PAGE / 4u);
    criu_pages_id(data, pagemap, &id);
    struct criu_thin t = {
        .pagemap = data, .pagemap_size = pagemap, .mm = data + pagemap, .mm_size = size - pagemap, .zeros = &zeros};
    criu_thin(&t);
    if ((t.bytes != NULL) != (t.cuts.count > 0))
        abort();
    for (size_t i = 0; i < t.cuts.count; i++)
        if (t.cuts.range[i].at % PAGE || t.cuts.range[i].length % PAGE || t.cuts.range[i].length == 0)
            abort();
    free(t.bytes);
    bv_ranges_free(&t.cuts);
    bv_ranges_free(&zeros);
    return 0;
}
