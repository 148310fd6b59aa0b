/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, and what the kernel knows of it. */
#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "matrix/programs/object.h"

#define SIZE (4 << 20)

static char *map(int flags)
{
    char *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    have(m == MAP_FAILED ? -1 : 0, "map memory");
    return m;
}

/* Does /proc/self/smaps say `flag` among the VmFlags of the mapping at `m`? */
static int has_flag(const void *m, const char *flag)
{
    char line[512], start[32];
    int found = 0, here = 0;
    FILE *f = fopen("/proc/self/smaps", "re");
    int n = snprintf(start, sizeof(start), "%lx-", (unsigned long)(uintptr_t)m);
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, start, (size_t)n) == 0)
            here = 1;
        else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, flag) != NULL;
            break;
        }
    }
    if (f)
        fclose(f);
    return found;
}

static void locked(void)
{
    char *m = map(MAP_PRIVATE);
    have(mlock(m, 16384), "lock memory");
    memset(m, 7, 16384);
    hold();
    row_check(has_flag(m, " lo") && m[16383] == 7, "the memory is not locked any more");
}

static const struct advice {
    int value;
    const char *flag, *what;
} advices[] = {
    {MADV_HUGEPAGE, " hg", "MADV_HUGEPAGE"},     {MADV_NOHUGEPAGE, " nh", "MADV_NOHUGEPAGE"},
    {MADV_DONTFORK, " dc", "MADV_DONTFORK"},     {MADV_DONTDUMP, " dd", "MADV_DONTDUMP"},
    {MADV_WIPEONFORK, " wf", "MADV_WIPEONFORK"},
};

static void advised(const struct advice *a)
{
    char *m = map(MAP_PRIVATE);
    memset(m, 5, 4096);
    have(madvise(m, SIZE, a->value), a->what);
    hold();
    row_check(has_flag(m, a->flag), "%s is gone", a->what);
    row_check(m[4095] == 5, "the memory is not as it was");
}

static void huge(void)
{
    advised(&advices[0]);
}

static void not_huge(void)
{
    advised(&advices[1]);
}

static void not_forked(void)
{
    advised(&advices[2]);
}

static void not_in_cores(void)
{
    advised(&advices[3]);
}

static void wiped(void)
{
    advised(&advices[4]);
}

static int write_there(void *arg)
{
    hold_quietly();
    strcpy(arg, "written");
    return 0;
}

static void shared(void)
{
    char *m = map(MAP_SHARED);
    pid_t pid = child(write_there, m);
    hold();
    row_check(status_of(pid) == 0 && strcmp(m, "written") == 0, "parent and child have not the same memory any more");
}

static void protected(void)
{
    char *m = map(MAP_PRIVATE);
    strcpy(m, "content");
    have(mprotect(m, 4096, PROT_NONE), "protect memory");
    hold();
    row_check(syscall(SYS_access, m, F_OK) < 0, "the memory can be read");
    row_check(mprotect(m, 4096, PROT_READ) == 0 && strcmp(m, "content") == 0, "the protected memory is not as it was");
}

static void grows_down(void)
{
    char *m = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    have(m == MAP_FAILED ? -1 : 0, "map memory that grows down");
    m[65535] = 3;
    hold();
    row_check(has_flag(m, " gd") && m[65535] == 3, "the memory does not grow down any more");
}

static void restartable(void)
{
#ifdef RSEQ_SIG
    if (__rseq_size == 0) {
        puts("cannot use rseq: it is not registered");
        _exit(77);
    }
    const volatile struct rseq *r = (const void *)((char *)__builtin_thread_pointer() + __rseq_offset);
    hold();
    row_check((int)r->cpu_id >= 0, "rseq is not registered any more");
    unsigned cpu, node;
    row_check(syscall(SYS_getcpu, &cpu, &node, NULL) == 0, "getcpu fails");
    row_check(syscall(SYS_rseq, r, __rseq_size < 32 ? 32 : __rseq_size, 0, RSEQ_SIG) < 0,
              "rseq can be registered again");
#endif
}

/* Who has a robust lock and ends, leaves it to others. */
static int lock_and_end(void *arg)
{
    pthread_mutex_t *m = arg;
    pthread_mutex_lock(m);
    hold_quietly();
    return 0;
}

static void robust(void)
{
    pthread_mutexattr_t a;
    pthread_mutex_t *m = (void *)map(MAP_SHARED);
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(m, &a);
    pid_t pid = child(lock_and_end, m);
    while (pthread_mutex_trylock(m) == 0) {
        pthread_mutex_unlock(m);
        usleep(1000);
    }
    hold();
    row_check(status_of(pid) == 0 && pthread_mutex_trylock(m) == EOWNERDEAD, "who has ended still has the lock");
}

/* Memory of a node, as numactl wants it. */
static void node(void)
{
    unsigned long mask = 1, got = 0;
    int mode = -1;
    have((int)syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 64), "bind memory to a node");
    hold();
    row_check(syscall(SYS_get_mempolicy, &mode, &got, 64, NULL, 0) == 0 && mode == MPOL_BIND && got == 1,
              "the memory policy is gone");
}

static void node_of_mapping(void)
{
    unsigned long mask = 1;
    int mode = -1;
    char *m = map(MAP_PRIVATE);
    have((int)syscall(SYS_mbind, m, SIZE, MPOL_BIND, &mask, 64, 0), "bind memory to a node");
    hold();
    row_check(syscall(SYS_get_mempolicy, &mode, NULL, 0, m, MPOL_F_ADDR) == 0 && mode == MPOL_BIND,
              "the memory policy is gone");
}

const struct row_case object_memory_cases[] = {
    {"mlock", locked},
    {"thp", huge},
    {"thp-not", not_huge},
    {"madvise-dontfork", not_forked},
    {"madvise-dontdump", not_in_cores},
    {"madvise-wipeonfork", wiped},
    {"shared-memory", shared},
    {"protected-memory", protected},
    {"stack-memory", grows_down},
    {"rseq", restartable},
    {"robust-futex", robust},
    {"mempolicy", node},
    {"mempolicy-mapping", node_of_mapping},
    {NULL},
};
