/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs to a process itself. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "matrix/programs/object.h"

static void affinity(void)
{
    cpu_set_t mask, now;
    have(sched_getaffinity(0, sizeof(mask), &mask), "see the CPUs");
    int first = 0;
    while (!CPU_ISSET(first, &mask))
        first++;
    if (CPU_COUNT(&mask) < 2) {
        puts("cannot keep to one of several CPUs: there is only one");
        _exit(77);
    }
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    have(sched_setaffinity(0, sizeof(mask), &mask), "keep to a CPU");
    hold();
    row_check(sched_getaffinity(0, sizeof(now), &now) == 0 && CPU_EQUAL(&mask, &now), "it runs on other CPUs");
}

#define IO_PRIORITY ((3 << 13) | 0) /* idle */

static void io_priority(void)
{
    have((int)syscall(SYS_ioprio_set, 1, 0, IO_PRIORITY), "set the priority of i/o");
    hold();
    long now = syscall(SYS_ioprio_get, 1, 0);
    row_check(now == IO_PRIORITY, "the priority of i/o is %ld instead of %d", now, IO_PRIORITY);
}

static void policy_of(int policy)
{
    struct sched_param p = {0};
    have(sched_setscheduler(0, policy, &p), "set the scheduling policy");
    hold();
    int now = sched_getscheduler(0);
    row_check(now == policy, "the scheduling policy is %d instead of %d", now, policy);
}

static void batch(void)
{
    policy_of(SCHED_BATCH);
}

static void idle_policy(void)
{
    policy_of(SCHED_IDLE);
}

static void reset_on_fork(void)
{
    policy_of(SCHED_BATCH | SCHED_RESET_ON_FORK);
}

static void oom_score(void)
{
    char text[16] = "";
    int fd = have(open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC), "see the OOM score");
    have((int)write(fd, "555", 3), "set the OOM score");
    hold();
    close(fd);
    fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    row_check(read(fd, text, sizeof(text) - 1) > 0 && atoi(text) == 555, "the OOM score is %d", atoi(text));
}

/* A property that prctl(2) sets by one number and gives back. */
static void property(int set, unsigned long value, int get, const char *what)
{
    have(prctl(set, value, 0, 0, 0), what);
    hold();
    int now = prctl(get, 0, 0, 0, 0);
    row_check((unsigned long)now == value, "%s is %d instead of %lu", what, now, value);
}

static void no_new_privileges(void)
{
    property(PR_SET_NO_NEW_PRIVS, 1, PR_GET_NO_NEW_PRIVS, "no_new_privs");
}

static void timer_slack(void)
{
    property(PR_SET_TIMERSLACK, 123456, PR_GET_TIMERSLACK, "the timer slack");
}

static void no_huge_pages(void)
{
    property(PR_SET_THP_DISABLE, 1, PR_GET_THP_DISABLE, "PR_SET_THP_DISABLE");
}

static void not_dumpable(void)
{
    property(PR_SET_DUMPABLE, 0, PR_GET_DUMPABLE, "PR_SET_DUMPABLE");
}

static void subreaper(void)
{
    int now = 0;
    have(prctl(PR_SET_CHILD_SUBREAPER, 1), "adopt orphans");
    hold();
    row_check(prctl(PR_GET_CHILD_SUBREAPER, &now) == 0 && now == 1, "it does not adopt orphans any more");
}

static int have_death_signal(void *arg)
{
    int now = 0;
    if (prctl(PR_SET_PDEATHSIG, SIGUSR2) < 0)
        return 1;
    *(volatile int *)arg = 1;
    hold_quietly();
    return prctl(PR_GET_PDEATHSIG, &now) == 0 && now == SIGUSR2 ? 9 : 1;
}

static void death_signal(void)
{
    volatile int *is_set = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    have(is_set == MAP_FAILED ? -1 : 0, "map memory");
    pid_t pid = child(have_death_signal, (void *)is_set);
    while (!*is_set)
        row_nap();
    hold();
    row_check(status_of(pid) == 9, "the child does not get its signal any more when its parent ends");
}

static void personality_of(unsigned long wanted)
{
    have(personality(wanted), "set its personality");
    hold();
    int now = personality(0xffffffff);
    row_check((unsigned long)now == wanted, "its personality is %x instead of %lx", (unsigned)now, wanted);
}

static void not_randomized(void)
{
    personality_of(ADDR_NO_RANDOMIZE);
}

static void old_kernel(void)
{
    personality_of(UNAME26);
}

static void filter(void)
{
    struct sock_filter all = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
    struct sock_fprog program = {.len = 1, .filter = &all};
    have(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
    have(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "filter system calls");
    hold();
    row_check(prctl(PR_GET_SECCOMP) == 2, "the filter is gone");
}

static void membarrier(void)
{
    have((int)syscall(SYS_membarrier, 16 /* REGISTER_PRIVATE_EXPEDITED */, 0, 0), "use membarrier");
    hold();
    row_check(syscall(SYS_membarrier, 8 /* PRIVATE_EXPEDITED */, 0, 0) == 0, "membarrier is not registered any more");
}

/* --- signals --- */

static volatile sig_atomic_t on_its_stack;
static char *stack_low, *stack_high;

static void see_stack(int signo)
{
    char here;
    (void)signo;
    on_its_stack = &here >= stack_low && &here < stack_high;
}

static void signal_stack(void)
{
    static char stack[65536];
    stack_low = stack;
    stack_high = stack + sizeof(stack);
    stack_t s = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction a = {.sa_handler = see_stack, .sa_flags = SA_ONSTACK | SA_RESTART};
    sigaddset(&a.sa_mask, SIGUSR2);
    have(sigaltstack(&s, NULL), "set a stack for signals");
    have(sigaction(SIGUSR1, &a, NULL), "catch a signal");
    hold();
    raise(SIGUSR1);
    row_check(on_its_stack, "the signal does not come on its own stack");
    row_check(sigaction(SIGUSR1, NULL, &a) == 0 && (a.sa_flags & SA_RESTART) && sigismember(&a.sa_mask, SIGUSR2) == 1,
              "the handling of the signal is another");
}

static void pending_signals(void)
{
    sigset_t set;
    siginfo_t info;
    const int number = SIGRTMIN + 2;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 1; i <= 3; i++)
        have(sigqueue(getpid(), number, (union sigval){.sival_int = 100 + i}), "queue a signal");
    have((int)syscall(SYS_tgkill, getpid(), getpid(), SIGTERM), "send a signal to a thread");
    hold();
    sigdelset(&set, SIGTERM);
    for (int i = 1; i <= 3; i++)
        row_check(sigtimedwait(&set, &info, &(struct timespec){0}) == number && info.si_value.sival_int == 100 + i,
                  "the pending signal %d is gone, or has another value", i);
    sigaddset(&set, SIGTERM);
    row_check(sigtimedwait(&set, &info, &(struct timespec){0}) == SIGTERM, "the pending signal of the thread is gone");
}

const struct row_case object_task_cases[] = {
    {"affinity", affinity},
    {"ioprio", io_priority},
    {"sched-batch", batch},
    {"sched-idle", idle_policy},
    {"sched-reset-on-fork", reset_on_fork},
    {"oom-score", oom_score},
    {"no-new-privs", no_new_privileges},
    {"timer-slack", timer_slack},
    {"thp-disable", no_huge_pages},
    {"not-dumpable", not_dumpable},
    {"subreaper", subreaper},
    {"death-signal", death_signal},
    {"no-randomize", not_randomized},
    {"personality", old_kernel},
    {"seccomp", filter},
    {"membarrier", membarrier},
    {"signal-stack", signal_stack},
    {"pending-signals", pending_signals},
    {NULL},
};
