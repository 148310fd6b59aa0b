/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#define BV_NSEC_PER_SEC 1000000000LL

/* Time in nanoseconds of one of the kernel's clocks (clock_gettime(2)). */
int64_t bv_clock_ns(clockid_t clock);

/* When the content of a file was last changed, by the clock of its file system. */
static inline int64_t bv_mtime_ns(const struct stat *st)
{
    return st->st_mtim.tv_sec * BV_NSEC_PER_SEC + st->st_mtim.tv_nsec;
}

/* A point on CLOCK_MONOTONIC after which a wait gives up. 0 seconds = never. */
struct bv_deadline {
    int64_t at_ns; /* 0 = never */
};

struct bv_deadline bv_deadline_in(double seconds);
int bv_deadline_passed(struct bv_deadline d);

/* Milliseconds left, for poll(2): -1 = for ever, 0 = passed, never more than INT_MAX. */
int bv_deadline_ms(struct bv_deadline d);

/* Realtime as RFC 3339 in UTC with milliseconds, "2026-11-21T21:24:05.123Z". */
#define BV_TIME_TEXT 32
void bv_time_text(int64_t realtime_ns, char text[BV_TIME_TEXT]);

/* The inverse, also of text without fraction; it may come from anywhere. -1 if it is no such time after 1970 that has a
 * number. */
int bv_time_parse(const char *text, int64_t *ret);
