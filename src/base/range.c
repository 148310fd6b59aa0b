/* SPDX-License-Identifier: Apache-2.0 */
#include "base/range.h"

#include <stdlib.h>

#include "base/mem.h"

void bv_ranges_add(struct bv_ranges *r, uint64_t at, uint64_t length)
{
    struct bv_range *last = r->count ? &r->range[r->count - 1] : NULL;
    if (length == 0)
        return;
    if (last && last->at + last->length == at) {
        last->length += length;
        return;
    }
    if (r->count == r->room) {
        r->room = r->room ? r->room * 2 : 16;
        r->range = bv_realloc(r->range, r->room, sizeof(*r->range));
    }
    r->range[r->count++] = (struct bv_range){.at = at, .length = length};
}

void bv_ranges_free(struct bv_ranges *r)
{
    free(r->range);
    *r = (struct bv_ranges){0};
}
