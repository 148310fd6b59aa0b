/* SPDX-License-Identifier: Apache-2.0 */
/* Timers keep the time that is left, clocks go on. */
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "matrix/programs/object.h"

/* Seconds. A timer is set to START and shall not have less than LEAST left: far from each other, so that a slow machine
 * is no loss, and so is START from what a timer anew would have. */
#define START  5000
#define LEAST  4000
#define PERIOD 7000

static int is_left(long seconds)
{
    return seconds <= START && seconds > LEAST;
}

static void descriptor(void)
{
    struct itimerspec t = {.it_value.tv_sec = START, .it_interval.tv_sec = PERIOD};
    int fd = have(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), "make a timerfd");
    have(timerfd_settime(fd, 0, &t, NULL), "set a timerfd");
    hold();
    row_check(timerfd_gettime(fd, &t) == 0 && is_left(t.it_value.tv_sec), "the timerfd has %ld s left instead of %d",
              (long)t.it_value.tv_sec, START);
    row_check(t.it_interval.tv_sec == PERIOD, "the timerfd has another period");
    t = (struct itimerspec){.it_value.tv_nsec = 1};
    row_check(timerfd_settime(fd, 0, &t, NULL) == 0 && is_readable(fd), "the timerfd never comes to its end");
}

static void expired_descriptor(void)
{
    uint64_t n = 0;
    struct itimerspec t = {.it_value.tv_nsec = 1};
    int fd = have(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), "make a timerfd");
    have(timerfd_settime(fd, 0, &t, NULL), "set a timerfd");
    row_check(is_readable(fd), "a timerfd never comes to its end");
    hold();
    row_check(read(fd, &n, sizeof(n)) == sizeof(n) && n == 1, "the timerfd has forgotten that it came to its end");
}

static void posix_timer(void)
{
    timer_t timer;
    sigset_t set;
    siginfo_t info;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_int = 4711};
    struct itimerspec t = {.it_value.tv_sec = START, .it_interval.tv_sec = PERIOD};
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    sigprocmask(SIG_BLOCK, &set, NULL);
    have(timer_create(CLOCK_MONOTONIC, &e, &timer), "make a timer");
    have(timer_settime(timer, 0, &t, NULL), "set a timer");
    hold();
    row_check(timer_gettime(timer, &t) == 0 && is_left(t.it_value.tv_sec), "the timer has %ld s left instead of %d",
              (long)t.it_value.tv_sec, START);
    row_check(t.it_interval.tv_sec == PERIOD, "the timer has another period");
    t = (struct itimerspec){.it_value.tv_nsec = 1};
    row_check(timer_settime(timer, 0, &t, NULL) == 0, "the timer cannot be set any more");
    row_check(sigtimedwait(&set, &info, &(struct timespec){.tv_sec = 10}) == SIGRTMIN + 3, "the timer sends no signal");
    row_check(info.si_value.sival_int == 4711, "the timer's signal has another value");
}

static void interval_timers(void)
{
    static const int which[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
    struct itimerval t = {.it_value.tv_sec = START, .it_interval.tv_sec = PERIOD};
    for (int i = 0; i < 3; i++)
        have(setitimer(which[i], &t, NULL), "set an interval timer");
    hold();
    for (int i = 0; i < 3; i++) {
        row_check(getitimer(which[i], &t) == 0 && is_left(t.it_value.tv_sec), "interval timer %d has %ld s left",
                  which[i], (long)t.it_value.tv_sec);
        row_check(t.it_interval.tv_sec == PERIOD, "interval timer %d has another period", which[i]);
    }
}

static void alarm_clock(void)
{
    alarm(START);
    hold();
    unsigned left = alarm(0);
    row_check(is_left(left), "the alarm has %u s left instead of %d", left, START);
}

static struct timespec now(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t;
}

static int is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec >= b->tv_nsec);
}

static void clocks(void)
{
    static const clockid_t id[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME};
    struct timespec before[3];
    for (int i = 0; i < 3; i++)
        before[i] = now(id[i]);
    hold();
    for (int i = 0; i < 3; i++) {
        struct timespec after = now(id[i]);
        row_check(is_later(&after, &before[i]), "clock %d went back", (int)id[i]);
        row_check(after.tv_sec - before[i].tv_sec < START, "clock %d leapt forward", (int)id[i]);
    }
}

const struct row_case object_timer_cases[] = {
    {"timerfd", descriptor},
    {"timerfd-expired", expired_descriptor},
    {"timer", posix_timer},
    {"itimer", interval_timers},
    {"alarm", alarm_clock},
    {"clocks", clocks},
    {NULL},
};
