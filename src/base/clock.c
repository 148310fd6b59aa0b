/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

int64_t bv_clock_ns(clockid_t clock)
{
    struct timespec ts = {0};
    clock_gettime(clock, &ts);
    return ts.tv_sec * BV_NSEC_PER_SEC + ts.tv_nsec;
}

struct bv_deadline bv_deadline_in(double seconds)
{
    if (seconds <= 0)
        return (struct bv_deadline){0};
    return (struct bv_deadline){bv_clock_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * BV_NSEC_PER_SEC)};
}

int bv_deadline_passed(struct bv_deadline d)
{
    return d.at_ns && bv_clock_ns(CLOCK_MONOTONIC) >= d.at_ns;
}

int bv_deadline_ms(struct bv_deadline d)
{
    if (!d.at_ns)
        return -1;
    int64_t left = d.at_ns - bv_clock_ns(CLOCK_MONOTONIC);
    if (left <= 0)
        return 0;
    int64_t ms = (left + 999999) / 1000000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

void bv_time_text(int64_t realtime_ns, char text[BV_TIME_TEXT])
{
    time_t sec = realtime_ns / BV_NSEC_PER_SEC;
    struct tm tm;
    char date[24] = "";
    if (gmtime_r(&sec, &tm))
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, BV_TIME_TEXT, "%s.%03dZ", date, (int)(realtime_ns % BV_NSEC_PER_SEC / 1000000));
}

int bv_time_parse(const char *text, int64_t *ret)
{
    static const char pattern[] = "0000-00-00T00:00:00";
    const size_t length = sizeof(pattern) - 1;
    int64_t fraction = 0;
    struct tm tm = {0};
    for (size_t i = 0; i < length; i++)
        if (pattern[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != pattern[i])
            return -1;
    sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec);
    const char *end = text + length;
    if (*end == '.') {
        int64_t unit = BV_NSEC_PER_SEC;
        for (end++; *end >= '0' && *end <= '9' && unit > 1; end++)
            fraction += (*end - '0') * (unit /= 10);
    }
    /* Nanoseconds since 1970 fit into 63 bits until 2262. */
    if (strcmp(end, "Z") != 0 || tm.tm_year < 1970 || tm.tm_year > 2261 || tm.tm_mon < 1 || tm.tm_mon > 12 ||
        tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    *ret = timegm(&tm) * BV_NSEC_PER_SEC + fraction;
    return 0;
}
