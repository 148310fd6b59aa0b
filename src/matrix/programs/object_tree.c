/* SPDX-License-Identifier: Apache-2.0 */
/* Relations between processes, terminals and namespaces. */
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "matrix/programs/object.h"

static int idle(void *arg)
{
    (void)arg;
    hold_quietly();
    return 9;
}

/* The state that ps(1) shows. */
static char state_of(pid_t pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    const char *end = n > 0 ? strrchr(text, ')') : NULL;
    return end ? end[2] : '?';
}

static void stopped(void)
{
    int status;
    pid_t pid = child(idle, NULL);
    kill(pid, SIGSTOP);
    have(waitpid(pid, &status, WUNTRACED), "stop a child");
    hold();
    /* It is stopped before it does anything, but not before we run. */
    while (state_of(pid) != 'T' && state_of(pid) != 'Z')
        continue;
    row_check(state_of(pid) == 'T', "the child is not stopped any more");
    kill(pid, SIGCONT);
    row_check(status_of(pid) == 9, "the child has not ended as it should");
}

/* What somebody has typed and nobody has read. */
static void terminal_queued(void)
{
    int master, slave;
    char text[16];
    have(openpty(&master, &slave, NULL, NULL, NULL), "make a terminal");
    have((int)write(master, "typed\n", 6), "write to a terminal");
    hold();
    row_check(is_readable(slave) && read(slave, text, sizeof(text)) == 6, "what was typed is gone");
}

struct sharing {
    int fd;
    char *word;
};

static int change(void *arg)
{
    struct sharing *s = arg;
    hold_quietly();
    close(s->fd);
    if (chdir("/") == 0)
        strcpy(s->word, "done");
    return 9;
}

static char stack[65536] __attribute__((aligned(16)));

static void share(int flags)
{
    char here[4096];
    struct sharing s = {.fd = have(open("/dev/null", O_RDONLY | O_CLOEXEC), "open a file")};
    s.word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = have(clone(change, stack + sizeof(stack), flags | SIGCHLD, &s), "clone");
    hold();
    row_check(status_of(pid) == 9 && strcmp(s.word, "done") == 0, "the child has not ended as it should");
    if (flags & CLONE_FILES)
        row_check(fcntl(s.fd, F_GETFD) < 0, "parent and child have not the same descriptors any more");
    if (flags & CLONE_FS)
        row_check(getcwd(here, sizeof(here)) && strcmp(here, "/") == 0, "parent and child are not in the same place");
}

static void share_files(void)
{
    share(CLONE_FILES);
}

static void share_place(void)
{
    share(CLONE_FS);
}

static void share_memory(void)
{
    share(CLONE_VM);
}

static void share_handlers(void)
{
    share(CLONE_VM | CLONE_SIGHAND | CLONE_FILES | CLONE_FS);
}

static pthread_barrier_t together;

static void *own_descriptors(void *arg)
{
    if (unshare(CLONE_FILES) < 0)
        return NULL;
    close(*(int *)arg);
    pthread_barrier_wait(&together);
    hold_quietly();
    return fcntl(*(int *)arg, F_GETFD) < 0 ? arg : NULL;
}

/* A thread whose descriptors are not those of its process. */
static void thread_files(void)
{
    pthread_t t;
    void *result = NULL;
    int fd = have(open("/dev/null", O_RDONLY | O_CLOEXEC), "open a file");
    pthread_barrier_init(&together, NULL, 2);
    pthread_create(&t, NULL, own_descriptors, &fd);
    pthread_barrier_wait(&together);
    hold();
    pthread_join(t, &result);
    row_check(result && fcntl(fd, F_GETFD) >= 0, "the thread has the same descriptors as its process");
}

static void *own_place(void *arg)
{
    char here[4096];
    if (unshare(CLONE_FS) < 0 || chdir("/") < 0)
        return NULL;
    pthread_barrier_wait(&together);
    hold_quietly();
    return getcwd(here, sizeof(here)) && strcmp(here, "/") == 0 ? arg : NULL;
}

static void thread_place(void)
{
    pthread_t t;
    void *result = NULL;
    pthread_barrier_init(&together, NULL, 2);
    pthread_create(&t, NULL, own_place, &together);
    pthread_barrier_wait(&together);
    hold();
    pthread_join(t, &result);
    row_check(result != NULL, "the thread is in the same place as its process");
}

static void *name_itself(void *arg)
{
    char name[17] = "";
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_NAME, "a thread");
    pthread_barrier_wait(&together);
    hold_quietly();
    prctl(PR_GET_NAME, name);
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    return strcmp(name, "a thread") == 0 && sigismember(&set, SIGUSR1) == 1 ? arg : NULL;
}

static void threads(void)
{
    pthread_t t;
    void *result = NULL;
    pthread_barrier_init(&together, NULL, 2);
    pthread_create(&t, NULL, name_itself, &together);
    pthread_barrier_wait(&together);
    hold();
    pthread_join(t, &result);
    row_check(result != NULL, "the thread has another name or mask of signals");
}

static void own_namespace(void)
{
    have(unshare(CLONE_NEWUSER), "make a user namespace");
    hold();
    struct {
        int version, pid;
    } head = {0x20080522, 0};
    struct {
        unsigned effective, permitted, inheritable;
    } data[2] = {0};
    row_check(syscall(SYS_capget, &head, data) == 0 && data[0].permitted != 0, "the capabilities are gone");
}

static void capabilities(void)
{
    struct {
        int version, pid;
    } head = {0x20080522, 0};
    struct {
        unsigned effective, permitted, inheritable;
    } before[2] = {0}, after[2] = {0};
    have((int)syscall(SYS_capget, &head, before), "see the capabilities");
    hold();
    row_check(syscall(SYS_capget, &head, after) == 0 && memcmp(before, after, sizeof(before)) == 0,
              "the capabilities are others");
}

const struct row_case object_tree_cases[] = {
    {"stopped-child", stopped},        {"pty-queued", terminal_queued}, {"clone-files", share_files},
    {"clone-fs", share_place},         {"clone-vm", share_memory},      {"clone-sighand", share_handlers},
    {"thread-files", thread_files},    {"thread-place", thread_place},  {"thread-state", threads},
    {"user-namespace", own_namespace}, {"capabilities", capabilities},  {NULL},
};
