/* SPDX-License-Identifier: Apache-2.0 */
/* An index that parses can be written again, and is then the same bytes. */
#include <stdlib.h>

#include "store/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autoindex struct bv_index x = {0};
    autobuffer struct bv_buffer again = {0};
    if (bv_index_parse(data, size, &x, NULL) < 0)
        return 0;
    for (size_t i = 0; i < x.stream_count; i++)
        if (bv_index_find(&x, x.streams[i].name) != (ssize_t)i)
            abort();
    bv_index_encode(&x, &again);
    if (again.size != size || memcmp(again.bytes, data, size) != 0)
        abort();
    return 0;
}
