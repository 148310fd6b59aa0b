/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <limits.h>
#include <stdio.h>

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
