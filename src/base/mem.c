/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p)
{
    if (p)
        return p;
    fputs("bivouac: out of memory\n", stderr);
    abort();
}

void *bv_alloc(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *bv_realloc(void *p, size_t count, size_t size)
{
    return checked(reallocarray(p, count ? count : 1, size));
}

char *bv_strdup(const char *s)
{
    return checked(strdup(s));
}

char *bv_strndup(const char *s, size_t n)
{
    return checked(strndup(s, n));
}

char *bv_asprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : s);
}
