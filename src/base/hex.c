/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"

#include <string.h>

#include "base/mem.h"

static const char digits[] = "0123456789abcdef";

void bv_hex_into(char *ret, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    for (size_t i = 0; i < size; i++) {
        *ret++ = digits[from[i] >> 4];
        *ret++ = digits[from[i] & 15];
    }
    *ret = '\0';
}

char *bv_hex(const void *bytes, size_t size)
{
    char *text = bv_alloc(2 * size + 1);
    bv_hex_into(text, bytes, size);
    return text;
}

static unsigned value_of(char digit)
{
    return (unsigned)(strchr(digits, digit) - digits);
}

ssize_t bv_unhex(const char *text, void *ret, size_t max)
{
    unsigned char *to = ret;
    size_t n = strlen(text);
    if (n % 2 || n / 2 > max || strspn(text, digits) != n)
        return -1;
    for (size_t i = 0; i < n; i += 2)
        to[i / 2] = (unsigned char)(value_of(text[i]) << 4 | value_of(text[i + 1]));
    return (ssize_t)(n / 2);
}
