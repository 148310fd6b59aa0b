/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of keys and values, as in /proc/PID/fdinfo and /proc/PID/status. The first line of the input is the key. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proc/field.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    autofree char *input = malloc(size + 1);
    memcpy(input, data, size);
    input[size] = '\0';

    char *text = strchr(input, '\n');
    if (!text)
        return 0;
    *text++ = '\0';
    const char *value = bv_field(text, input);
    if (value && (value < text || value > text + strlen(text)))
        abort();
    bv_field_number(text, input, 8, 0);
    bv_field_number(text, input, 10, 0);
    return 0;
}
