/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define DIGITS "0123456789"

/* A number at the beginning of *at, which is moved behind it. */
static int take_number(const char **at, double *ret)
{
    size_t n = strspn(*at, DIGITS ".");
    char *end;
    if (n == 0 || !strchr(DIGITS, **at))
        return -1;
    double value = strtod(*at, &end);
    if (end != *at + n) /* "1.2.3", or what only strtod knows: "0x10", "1e3" */
        return -1;
    *at = end;
    *ret = value;
    return 0;
}

/* "90", or each of d, h, m and s at most once, in this order. */
static int parse_units(const char *text, double *ret)
{
    static const char units[] = "dhms";
    static const double seconds[] = {86400, 3600, 60, 1};
    const char *left = units, *at = text;
    double sum = 0, value;
    do {
        if (take_number(&at, &value) < 0)
            return -1;
        const char *unit = *at ? strchr(left, *at) : NULL;
        if (!unit) {
            *ret = value;
            return at == text + strlen(text) && left == units ? 0 : -1;
        }
        sum += value * seconds[unit - units];
        left = unit + 1;
        at++;
    } while (*at);
    *ret = sum;
    return 0;
}

/* "H:MM:SS", "D-HH", "D-HH:MM", "D-HH:MM:SS". Two numbers alone are hours and minutes to some schedulers, minutes and
 * seconds to others, and so they are nothing to us. */
static int parse_clock(const char *text, double *ret)
{
    static const double day[] = {86400, 3600, 60, 1};
    int has_days = strchr(text, '-') != NULL;
    const double *seconds = has_days ? day : day + 1;
    const char *at = text;
    double sum = 0;
    int n = 0;
    for (;;) {
        size_t digits = strspn(at, DIGITS);
        int value = digits > 0 && digits <= 6 ? atoi(at) : -1;
        int limit = n == 0 ? 999999 : has_days && n == 1 ? 23 : 59;
        if (value < 0 || value > limit || (n > 0 && digits != 2 && !(has_days && n == 1)))
            return -1;
        sum += value * seconds[n++];
        at += digits;
        if (!*at)
            break;
        if (n == (has_days ? 4 : 3) || *at != (has_days && n == 1 ? '-' : ':'))
            return -1;
        at++;
    }
    *ret = sum;
    return n >= (has_days ? 2 : 3) ? 0 : -1;
}

int bv_value_duration(const char *text, double *ret, struct bv_error *err)
{
    double seconds;
    int rc = strpbrk(text, "-:") ? parse_clock(text, &seconds) : parse_units(text, &seconds);
    if (rc < 0 || !(seconds <= BV_DURATION_MAX))
        return bv_fail(err, BV_EUSAGE, 0,
                       "'%.100s' is no duration: write seconds, or numbers with d, h, m or s like 1h30m, or D-HH:MM:SS",
                       text);
    *ret = seconds;
    return 0;
}

int bv_value_size(const char *text, uint64_t *ret, struct bv_error *err)
{
    static const char units[] = "KMGT";
    size_t digits = strspn(text, DIGITS);
    const char *end = text + digits, *unit = *end ? strchr(units, *end) : NULL;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    errno = 0;
    unsigned long long value = digits ? strtoull(text, NULL, 10) : 0;
    if (!digits || end[unit != NULL] || errno || value > (unsigned long long)INT64_MAX >> shift)
        return bv_fail(err, BV_EUSAGE, 0, "'%.100s' is no size: write bytes, or a number with K, M, G or T", text);
    *ret = value << shift;
    return 0;
}

int bv_value_count(const char *text, uint32_t *ret, struct bv_error *err)
{
    size_t digits = strspn(text, DIGITS);
    unsigned long long value = digits && digits < 12 ? strtoull(text, NULL, 10) : UINT64_MAX;
    if (text[digits] || value > UINT32_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "'%.100s' is no number: write digits only", text);
    *ret = (uint32_t)value;
    return 0;
}

int bv_value_bool(const char *text, int *ret, struct bv_error *err)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (int i = 0; i < 8; i++)
        if (strcmp(text, words[i]) == 0) {
            *ret = i % 2;
            return 0;
        }
    return bv_fail(err, BV_EUSAGE, 0, "write yes or no, not '%.100s'", text);
}

int bv_value_word(const char *text, const char *words, int *ret, struct bv_error *err)
{
    size_t n = strlen(text);
    autofree char *choice = bv_alloc(strlen(words) * 4 + 1);
    const char *at = words;
    for (int place = 0; at; place++) {
        size_t length = strcspn(at, "|");
        if (length == n && strncmp(at, text, n) == 0) {
            *ret = place;
            return 0;
        }
        strncat(choice, at, length);
        at = at[length] ? at + length + 1 : NULL;
        if (at)
            strcat(choice, strchr(at, '|') ? ", " : " or ");
    }
    return bv_fail(err, BV_EUSAGE, 0, "write %s, not '%.100s'", choice, text);
}
