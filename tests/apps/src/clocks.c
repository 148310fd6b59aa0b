/* SPDX-License-Identifier: Apache-2.0 */
/* clocks [ROUNDS]: every kind of timer goes off in every round, a timer of two hours never does, and the clocks that
 * may not go back do not. Prints how often, never when.
 * Timers that send signals repeat until one has come: a signal of a timer that runs out while the process is frozen
 * is not in CRIU's images. */

#include "app.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/timerfd.h>

static volatile sig_atomic_t alarms, posix_timers, far_timers;

static void count(int sig)
{
    if (sig == SIGALRM)
        alarms++;
    else if (sig == SIGRTMIN)
        posix_timers++;
    else
        far_timers++;
}

static void handle(int sig)
{
    struct sigaction action = {.sa_handler = count};

    CHECK(sigaction(sig, &action, NULL) == 0);
}

/* Two hours on one clock, seen from all sides: it may only come nearer. */
struct far_away {
    timer_t timer;
    struct timespec left;
};

static const struct itimerspec two_hours = {.it_value.tv_sec = 7200};

static int later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static void start_far_away(struct far_away *f)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};

    CHECK(timer_create(CLOCK_MONOTONIC, &event, &f->timer) == 0);
    CHECK(timer_settime(f->timer, 0, &two_hours, NULL) == 0);
    f->left = two_hours.it_value;
}

static void check_far_away(struct far_away *f)
{
    struct itimerspec now;

    CHECK(timer_gettime(f->timer, &now) == 0);
    CHECK(now.it_value.tv_sec > 0 && !later(&now.it_value, &f->left));
    CHECK(far_timers == 0);
    f->left = now.it_value;
}

static void check_clocks(void)
{
    /* Not the CPU time: a restored process starts with that of a new one. */
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME};
    static struct timespec last[sizeof(clocks) / sizeof(clocks[0])];

    for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        struct timespec now;

        CHECK(clock_gettime(clocks[i], &now) == 0);
        CHECK(!later(&last[i], &now));
        last[i] = now;
    }
}

static void wait_for_signal(volatile sig_atomic_t *counter, const sigset_t *open_mask)
{
    *counter = 0;
    while (*counter == 0)
        sigsuspend(open_mask);
}

int main(int argc, char **argv)
{
    unsigned rounds = argument(argc, argv, 1, 120);
    const struct itimerspec short_time = {.it_value.tv_nsec = 9000000};
    const struct itimerspec repeated = {.it_value.tv_nsec = 9000000, .it_interval.tv_nsec = 9000000}, off = {0};
    const struct itimerval repeated_alarm = {.it_value.tv_usec = 9000, .it_interval.tv_usec = 9000}, no_alarm = {0};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), far_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
    struct far_away far;
    timer_t timer;
    sigset_t closed, open_mask;
    uint64_t ticks;

    handle(SIGALRM);
    handle(SIGRTMIN);
    handle(SIGUSR2);
    CHECK(sigemptyset(&closed) == 0 && sigaddset(&closed, SIGALRM) == 0 && sigaddset(&closed, SIGRTMIN) == 0);
    CHECK(sigprocmask(SIG_BLOCK, &closed, &open_mask) == 0);
    CHECK(fd >= 0 && far_fd >= 0 && timerfd_settime(far_fd, 0, &two_hours, NULL) == 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    start_far_away(&far);
    for (unsigned round = 1; round <= rounds; round++) {
        CHECK(timerfd_settime(fd, 0, &short_time, NULL) == 0);
        CHECK(read(fd, &ticks, sizeof(ticks)) == sizeof(ticks) && ticks == 1);
        CHECK(timer_settime(timer, 0, &repeated, NULL) == 0);
        wait_for_signal(&posix_timers, &open_mask);
        CHECK(timer_settime(timer, 0, &off, NULL) == 0);
        CHECK(setitimer(ITIMER_REAL, &repeated_alarm, NULL) == 0);
        wait_for_signal(&alarms, &open_mask);
        CHECK(setitimer(ITIMER_REAL, &no_alarm, NULL) == 0);
        pause_ms(9);
        check_clocks();
        check_far_away(&far);
        if (round % 10 == 0) {
            printf("%u rounds\n", round);
            fflush(stdout);
        }
    }
    return 0;
}
