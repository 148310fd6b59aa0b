/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the analyzer sees of them elsewhere. */
#undef bv_fail
#undef bv_wrap

int bv_fail(struct bv_error *err, enum bv_code code, int sys_errno, const char *fmt, ...)
{
    if (!err)
        return -1;

    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);

    if (sys_errno && n >= 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", strerror(sys_errno));
    err->code = code;
    err->sys_errno = sys_errno;
    return -1;
}

int bv_wrap(struct bv_error *err, const char *fmt, ...)
{
    if (!err)
        return -1;

    char inner[sizeof(err->text)];
    memcpy(inner, err->text, sizeof(inner));

    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);

    if (n >= 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %.*s", (int)sizeof(inner) - 1, inner);
    return -1;
}

enum bv_code bv_store_code(int sys_errno)
{
    return sys_errno == ENOSPC || sys_errno == EDQUOT ? BV_ENOSPACE : BV_ESTORE;
}

const char *bv_code_name(int code)
{
    switch (code) {
#define X(name, number, text)                                                                                          \
    case number:                                                                                                       \
        return #name;
        BV_CODES(X)
#undef X
    default:
        return "unknown";
    }
}

const char *bv_code_text(int code)
{
    switch (code) {
#define X(name, number, text)                                                                                          \
    case number:                                                                                                       \
        return text;
        BV_CODES(X)
#undef X
    default:
        return "unknown";
    }
}
