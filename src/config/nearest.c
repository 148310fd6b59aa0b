/* SPDX-License-Identifier: Apache-2.0 */
#include "config/nearest.h"

#include <string.h>

#define LETTERS 63

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned bv_distance(const char *a, const char *b)
{
    size_t n = strnlen(a, LETTERS), m = strnlen(b, LETTERS);
    unsigned row[LETTERS + 1]; /* row[k]: from the letters of `a` so far to the first k of `b` */
    for (size_t k = 0; k <= m; k++)
        row[k] = (unsigned)k;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= m; k++) {
            unsigned changed = diagonal + (a[i - 1] != b[k - 1]);
            diagonal = row[k];
            row[k] = smaller(changed, smaller(row[k], row[k - 1]) + 1);
        }
    }
    return row[m];
}
