/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "config/value.h"

#define UNIX_MAX 9e9 /* s: in nanoseconds it fits into 63 bits */

/* Does the text begin like the pattern, in which '0' stands for a digit? */
static int begins_like(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++)
        if (*pattern == '0' ? *text < '0' || *text > '9' : *text != *pattern)
            return 0;
    return 1;
}

static int parse_calendar(const char *text, int64_t *ret_ns)
{
    if (!begins_like(text, "0000-00-00T00:00"))
        return -1;
    const char *end = text + strlen("0000-00-00T00:00");
    struct tm t = {.tm_year = atoi(text) - 1900,
                   .tm_mon = atoi(text + 5) - 1,
                   .tm_mday = atoi(text + 8),
                   .tm_hour = atoi(text + 11),
                   .tm_min = atoi(text + 14),
                   .tm_isdst = -1};
    if (begins_like(end, ":00")) {
        t.tm_sec = atoi(end + 1);
        end += 3;
    }
    int is_utc = strcmp(end, "Z") == 0;
    if (*end && !is_utc)
        return -1;

    /* What does not exist, like 30 February, comes back as something else. */
    struct tm same = t;
    time_t at = is_utc ? timegm(&same) : mktime(&same);
    if (same.tm_min != t.tm_min || same.tm_hour != t.tm_hour || same.tm_mday != t.tm_mday || same.tm_mon != t.tm_mon ||
        same.tm_sec != t.tm_sec || at < 0 || (double)at > UNIX_MAX)
        return -1;
    *ret_ns = (int64_t)at * BV_NSEC_PER_SEC;
    return 0;
}

static int parse_unix(const char *text, int64_t *ret_ns)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 10 || text[digits] || strtod(text, NULL) > UNIX_MAX)
        return -1;
    *ret_ns = strtoll(text, NULL, 10) * BV_NSEC_PER_SEC;
    return 0;
}

int bv_value_time(const char *text, int64_t now_ns, int64_t *ret_ns, struct bv_error *err)
{
    if (text[0] == '+') {
        double seconds;
        if (bv_value_duration(text + 1, &seconds, err) < 0)
            return -1;
        *ret_ns = now_ns + (int64_t)(seconds * BV_NSEC_PER_SEC);
        return 0;
    }
    if ((text[0] == '@' ? parse_unix(text + 1, ret_ns) : parse_calendar(text, ret_ns)) < 0)
        return bv_fail(err, BV_EUSAGE, 0,
                       "'%.100s' is no time: write 2026-11-22T10:00 (UTC with a Z behind it), +2h or @SECONDS", text);
    return 0;
}
