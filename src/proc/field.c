/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/field.h"

#include <stdlib.h>
#include <string.h>

const char *bv_field(const char *text, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = text; *line;) {
        if (strncmp(line, key, n) == 0 && line[n] == ':') {
            line += n + 1;
            return line + strspn(line, " \t");
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return NULL;
}

int64_t bv_field_number(const char *text, const char *key, int base, int64_t fallback)
{
    const char *value = bv_field(text, key);
    if (!value || *value == '\n')
        return fallback; /* strtoll() would skip the line's end and read the next key's value */
    char *end;
    long long n = strtoll(value, &end, base);
    return end == value ? fallback : n;
}
