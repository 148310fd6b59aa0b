/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/gen.h"

/* A stream from its first byte to its last. */

struct bv_gen_reader {
    struct bv_gen *g;
    const struct bv_stream *stream;
    size_t extent;   /* of the stream: the one that is being read */
    uint64_t within; /* bytes of it that were */
};

int bv_gen_reader_open(struct bv_gen *g, size_t i, struct bv_gen_reader **ret, struct bv_error *err)
{
    if (i >= g->index.stream_count)
        return bv_fail(err, BV_EINTERNAL, 0, "%s has no stream %zu", g->what, i);
    struct bv_gen_reader *r = bv_alloc(sizeof(*r));
    *r = (struct bv_gen_reader){.g = g, .stream = &g->index.streams[i]};
    *ret = r;
    return 0;
}

ssize_t bv_gen_reader_read(struct bv_gen_reader *r, void *buf, size_t size, struct bv_error *err)
{
    size_t done = 0;
    while (done < size && r->extent < r->stream->count) {
        const struct bv_extent *e = &r->g->index.extents[r->stream->first + r->extent];
        const uint8_t *raw;
        size_t n = size - done;
        if (n > e->length - r->within)
            n = (size_t)(e->length - r->within);
        if (e->block == BV_EXTENT_ZERO) {
            memset((uint8_t *)buf + done, 0, n);
        } else {
            if (bv_gen_block(r->g, e->block, &raw, err) < 0)
                return -1;
            memcpy((uint8_t *)buf + done, raw + e->skip + r->within, n);
        }
        done += n;
        r->within += n;
        if (r->within == e->length) {
            r->extent++;
            r->within = 0;
        }
    }
    return (ssize_t)done;
}

void bv_gen_reader_close(struct bv_gen_reader *r)
{
    free(r);
}
