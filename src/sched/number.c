/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/number.h"

#include <limits.h>

int bv_sched_number(const char *text, unsigned long long max, unsigned long long *ret)
{
    unsigned long long value = 0;
    if (!text || !*text)
        return -1;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || value > (ULLONG_MAX - 9) / 10)
            return -1;
        value = value * 10 + (unsigned)(*p - '0');
    }
    if (value > max)
        return -1;
    *ret = value;
    return 0;
}
