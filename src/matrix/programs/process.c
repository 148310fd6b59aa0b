/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and threads, and what the kernel keeps for them. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "matrix/programs/row.h"

static void serial(void)
{
    size_t size = 1 << 20;
    unsigned *memory = malloc(size * sizeof(*memory)), n = 1;
    row_must(memory);
    for (size_t i = 0; i < size; i++)
        memory[i] = n = n * 1664525u + 1013904223u;
    row_ready();
    unsigned again = 1;
    for (size_t i = 0; i < size; i++) {
        again = again * 1664525u + 1013904223u;
        row_check(memory[i] == again, "word %zu of the memory has changed", i);
    }
    row_check(again == n, "a variable has changed");
    free(memory);
}

/* --- threads --- */

#define THREADS 4

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static _Thread_local int own;
static int waiting, may_go, good;

static void *thread_main(void *arg)
{
    own = *(int *)arg * 1000;
    pthread_mutex_lock(&mutex);
    waiting++;
    while (!may_go)
        pthread_cond_wait(&changed, &mutex);
    good += own == *(int *)arg * 1000;
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static int all_wait(void)
{
    pthread_mutex_lock(&mutex);
    int all = waiting == THREADS;
    pthread_mutex_unlock(&mutex);
    return all;
}

static void threads(void)
{
    pthread_t thread[THREADS];
    int number[THREADS];
    for (int i = 0; i < THREADS; i++) {
        number[i] = i + 1;
        row_must(pthread_create(&thread[i], NULL, thread_main, &number[i]) == 0);
    }
    while (!all_wait())
        row_nap();
    row_ready();
    pthread_mutex_lock(&mutex);
    may_go = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < THREADS; i++)
        row_check(pthread_join(thread[i], NULL) == 0, "thread %d cannot be joined", i + 1);
    row_check(good == THREADS, "%d of %d threads have their own memory", good, THREADS);
}

/* --- a tree --- */

/* Sends back, by one, what it reads. */
static _Noreturn void child_echoes(int in, int out)
{
    char c;
    while (read(in, &c, 1) == 1) {
        c++;
        if (write(out, &c, 1) != 1)
            _exit(1);
    }
    _exit(5);
}

static char state_of(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    const char *end = n ? strrchr(text, ')') : NULL;
    return end ? end[2] : '?';
}

static void await_state(pid_t pid, char state)
{
    for (int i = 0; i < 1000 && state_of(pid) != state; i++)
        row_nap();
    row_must(state_of(pid) == state);
}

static void fork_tree(void)
{
    int there[2], back[2], status;
    pid_t zombie = fork();
    if (zombie == 0)
        _exit(7);
    pid_t stopped = fork();
    if (stopped == 0) {
        raise(SIGSTOP);
        _exit(3);
    }
    row_must(pipe(there) == 0 && pipe(back) == 0);
    pid_t echo = fork();
    if (echo == 0) {
        close(there[1]);
        close(back[0]);
        child_echoes(there[0], back[1]);
    }
    row_must(echo > 0 && zombie > 0 && stopped > 0);
    close(there[0]);
    close(back[1]);
    await_state(zombie, 'Z');
    await_state(stopped, 'T');
    row_must(write(there[1], "a", 1) == 1); /* in the pipes, or with the child */
    row_ready();

    char got[2] = {0};
    row_check(write(there[1], "x", 1) == 1 && read(back[0], &got[0], 1) == 1 && read(back[0], &got[1], 1) == 1 &&
                  got[0] == 'b' && got[1] == 'y',
              "the pipes to a child have other bytes: %02x %02x", got[0], got[1]);
    close(there[1]);
    row_check(waitpid(echo, &status, 0) == echo && WIFEXITED(status) && WEXITSTATUS(status) == 5,
              "the child at the pipes has ended with %x", status);
    row_check(state_of(stopped) == 'T', "the stopped child is not stopped but '%c'", state_of(stopped));
    row_check(waitpid(zombie, &status, 0) == zombie && WIFEXITED(status) && WEXITSTATUS(status) == 7,
              "the zombie's status is %x", status);
    kill(stopped, SIGCONT);
    row_check(waitpid(stopped, &status, 0) == stopped && WIFEXITED(status) && WEXITSTATUS(status) == 3,
              "the stopped child has ended with %x", status);
}

/* --- signals --- */

static volatile sig_atomic_t handled;

static void handler(int number)
{
    handled = number;
}

static void signals(void)
{
    sigset_t blocked, pending, now;
    struct sigaction action;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGRTMIN);
    row_must(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
    row_must(sigaction(SIGUSR2, &(struct sigaction){.sa_handler = SIG_IGN}, NULL) == 0);
    row_must(sigaction(SIGTERM, &(struct sigaction){.sa_handler = handler, .sa_flags = SA_RESTART}, NULL) == 0);
    row_must(kill(getpid(), SIGUSR1) == 0);
    row_must(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 42}) == 0);
    row_must(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 43}) == 0);
    row_ready();

    sigprocmask(SIG_BLOCK, NULL, &now);
    row_check(sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGRTMIN) == 1, "a signal is not blocked any more");
    sigpending(&pending);
    row_check(sigismember(&pending, SIGUSR1) == 1, "a pending signal is gone");
    for (int value = 42; value <= 43; value++) {
        siginfo_t info = {0};
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, SIGRTMIN);
        row_check(sigtimedwait(&one, &info, &(struct timespec){.tv_sec = 1}) == SIGRTMIN &&
                      info.si_value.sival_int == value,
                  "a queued signal has the value %d instead of %d", info.si_value.sival_int, value);
    }
    sigaction(SIGUSR2, NULL, &action);
    row_check(action.sa_handler == SIG_IGN, "a signal is not ignored any more");
    raise(SIGTERM);
    row_check(handled == SIGTERM, "a handler is not called");
}

static void timers(void)
{
    struct itimerval interval = {.it_value.tv_sec = 3600}, left = {0};
    struct itimerspec spec = {.it_value.tv_sec = 3600}, posix_left = {0}, fd_left = {0};
    struct itimerspec often = {.it_value.tv_sec = 3600, .it_interval.tv_nsec = 20000000};
    timer_t timer;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), ticks = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    row_must(fd >= 0 && ticks >= 0 && setitimer(ITIMER_REAL, &interval, NULL) == 0);
    row_must(timer_create(CLOCK_MONOTONIC, &(struct sigevent){.sigev_notify = SIGEV_NONE}, &timer) == 0);
    row_must(timer_settime(timer, 0, &spec, NULL) == 0 && timerfd_settime(fd, 0, &spec, NULL) == 0 &&
             timerfd_settime(ticks, 0, &often, NULL) == 0);
    row_ready();

    getitimer(ITIMER_REAL, &left);
    timer_gettime(timer, &posix_left);
    timerfd_gettime(fd, &fd_left);
    row_check(left.it_value.tv_sec > 3000 && left.it_value.tv_sec <= 3600, "the interval timer has %ld s left",
              (long)left.it_value.tv_sec);
    row_check(posix_left.it_value.tv_sec > 3000 && posix_left.it_value.tv_sec <= 3600, "a POSIX timer has %ld s left",
              (long)posix_left.it_value.tv_sec);
    row_check(fd_left.it_value.tv_sec > 3000 && fd_left.it_value.tv_sec <= 3600, "a timerfd has %ld s left",
              (long)fd_left.it_value.tv_sec);
    timerfd_gettime(ticks, &fd_left);
    row_check(fd_left.it_value.tv_sec > 3000 && fd_left.it_interval.tv_nsec == 20000000,
              "a timerfd has another interval or has ticked: %ld s left", (long)fd_left.it_value.tv_sec);
}

/* One that is waited for in a loop. */
static void ticking(void)
{
    struct itimerspec often = {.it_value.tv_nsec = 1, .it_interval.tv_nsec = 5000000};
    uint64_t count = 0;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    row_must(fd >= 0 && timerfd_settime(fd, 0, &often, NULL) == 0);
    row_ready();
    for (int i = 0; i < 3; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        row_check(poll(&p, 1, 10000) == 1 && read(fd, &count, sizeof(count)) == sizeof(count) && count > 0,
                  "the timer ticks no more");
    }
}

/* Clocks of a host that was booted at another time. */
static void clocks(void)
{
    static const clockid_t all[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    struct timespec before[2], now;
    for (int i = 0; i < 2; i++)
        row_must(clock_gettime(all[i], &before[i]) == 0);
    row_ready();
    for (int i = 0; i < 2; i++) {
        row_must(clock_gettime(all[i], &now) == 0);
        long step = (long)(now.tv_sec - before[i].tv_sec);
        row_check(step >= 0 && step < 3600, "the %s clock has jumped by %ld s", i ? "boottime" : "monotonic", step);
    }
}

static void limits(void)
{
    struct rlimit files = {.rlim_cur = 123, .rlim_max = 456}, got = {0};
    char name[16] = "";
    row_must(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 3) == 0);
    int nice_value = getpriority(PRIO_PROCESS, 0);
    row_must(setrlimit(RLIMIT_NOFILE, &files) == 0 && prctl(PR_SET_NAME, "renamed") == 0);
    umask(027);
    row_ready();
    row_check(getpriority(PRIO_PROCESS, 0) == nice_value, "the nice value is %d instead of %d",
              getpriority(PRIO_PROCESS, 0), nice_value);
    getrlimit(RLIMIT_NOFILE, &got);
    row_check(got.rlim_cur == 123 && got.rlim_max == 456, "a resource limit is %ju, %ju instead of 123, 456",
              (uintmax_t)got.rlim_cur, (uintmax_t)got.rlim_max);
    mode_t mask = umask(0);
    row_check(mask == 027, "the umask is %03o instead of 027", (unsigned)mask);
    prctl(PR_GET_NAME, name);
    row_check(strcmp(name, "renamed") == 0, "the name is '%s' instead of 'renamed'", name);
}

static void sessions(void)
{
    pid_t leader = fork();
    if (leader == 0) {
        setsid();
        pause();
        _exit(0);
    }
    pid_t grouped = fork();
    if (grouped == 0) {
        setpgid(0, 0);
        pause();
        _exit(0);
    }
    row_must(leader > 0 && grouped > 0);
    while (getsid(leader) != leader || getpgid(grouped) != grouped)
        row_nap();
    pid_t session = getsid(0);
    row_ready();
    row_check(getsid(leader) == leader, "a child leads its session no more: %d", getsid(leader));
    row_check(getpgid(grouped) == grouped, "a child leads its group no more: %d", getpgid(grouped));
    row_check(getsid(grouped) == session && getsid(0) == session, "we are in another session");
    kill(leader, SIGKILL);
    kill(-grouped, SIGKILL);
    row_check(waitpid(leader, NULL, 0) == leader && waitpid(grouped, NULL, 0) == grouped,
              "the children cannot be reaped");
}

static void terminal(void)
{
    struct winsize size = {.ws_row = 33, .ws_col = 77}, got = {0};
    struct termios settings;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    row_must(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    const char *name = ptsname(master);
    row_must(name);
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    row_must(slave >= 0 && tcgetattr(slave, &settings) == 0);
    cfmakeraw(&settings);
    row_must(tcsetattr(slave, TCSANOW, &settings) == 0 && ioctl(master, TIOCSWINSZ, &size) == 0);
    row_ready();
    row_check(ioctl(slave, TIOCGWINSZ, &got) == 0 && got.ws_row == 33 && got.ws_col == 77, "the size is %dx%d",
              got.ws_row, got.ws_col);
    row_check(tcgetattr(slave, &settings) == 0 && !(settings.c_lflag & (ICANON | ECHO)), "the terminal is not raw");
    row_echo(master, slave, "to the slave", "the terminal");
    row_echo(slave, master, "to the master", "the terminal");
}

static const struct row_case cases[] = {
    {"serial", serial},
    {"threads", threads},
    {"fork-tree", fork_tree},
    {"signals", signals},
    {"timers", timers},
    {"limits", limits},
    {"sessions", sessions},
    {"clocks", clocks},
    {"ticking", ticking},
    {"terminal", terminal},
    {NULL},
};

int main(int argc, char **argv)
{
    return row_main(argc, argv, cases);
}
