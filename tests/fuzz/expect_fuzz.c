/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody has recorded of the table of bivouac-matrix(1). */
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "matrix/matrix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bv_error err;
    struct matrix_expectation e = {0};
    autofree char *text = bv_alloc(size + 1);
    memcpy(text, data, size);
    if (matrix_expectation_parse(text, "file", &e, &err) == 0)
        matrix_expectation_free(&e);
    return 0;
}
