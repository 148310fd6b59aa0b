/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "config/value.h"

#define PREFIX     "ignore:"
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyz0123456789_"

int bv_value_features(const char *text, char **ret, struct bv_error *err)
{
    size_t prefix = sizeof(PREFIX) - 1;
    const char *names = strncmp(text, PREFIX, prefix) == 0 ? text + prefix : "";
    for (const char *w = names; *w;) {
        size_t n = strspn(w, NAME_BYTES);
        int is_last = w[n] == '\0';
        if (n == 0 || (w[n] != ',' && !is_last))
            break;
        if (is_last) {
            *ret = bv_strdup(names);
            for (char *c = *ret; *c; c++)
                if (*c == ',')
                    *c = ' ';
            return 0;
        }
        w += n + 1;
    }
    return bv_fail(
        err, BV_EUSAGE, 0,
        "'%.100s' is not ignore:FEATURE,... with features as /proc/cpuinfo calls them, as in ignore:avx512f,sha_ni",
        text);
}
