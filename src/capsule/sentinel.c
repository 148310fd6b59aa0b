/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/sentinel.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "capsule/private.h"
#include "proc/tree.h"

#define PASSES_MAX 64

/* Only what stops and continues is let in. Whoever kills the group kills the supervisor, and with it us. */
static void watch_nothing(pid_t init)
{
    sigset_t mask;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* where there is no namespace to die with */
    if (getppid() != init)
        _exit(1);
    prctl(PR_SET_NAME, BV_SENTINEL_NAME);
    syscall(SYS_close_range, 0U, ~0U, 0U);
    for (int n = 1; n < NSIG; n++)
        signal(n, SIG_DFL);
    sigfillset(&mask);
    sigdelset(&mask, SIGTSTP);
    sigdelset(&mask, SIGCONT);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    for (;;)
        pause();
}

void capsule_sentinel_start(struct capsule_sentinel *s)
{
    pid_t init = getpid(), pid = fork();
    if (pid == 0)
        watch_nothing(init);
    *s = (struct capsule_sentinel){.pid = pid > 0 ? pid : 0, .is_applied = 1};
    setpgid(0, 0);
}

void capsule_sentinel_look(struct capsule_sentinel *s)
{
    int status;
    while (s->pid > 0) {
        pid_t got = waitpid(s->pid, &status, WNOHANG | WUNTRACED | WCONTINUED);
        if (got == 0)
            return;
        if (got < 0 || WIFEXITED(status) || WIFSIGNALED(status))
            s->pid = 0;
        s->signal = got > 0 && WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
        s->is_applied = 0;
    }
}

void capsule_signal_tree(pid_t root, int number)
{
    autopids struct bv_pids pids = {0};
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root <= 0 || procfd < 0 || bv_tree_scan(procfd, root, &pids, NULL) < 0)
        return;
    for (size_t i = 0; i < pids.count; i++)
        kill(pids.pid[i], number);
}

/* Does the process leave SIGTSTP to the kernel? */
static int is_stopped_by_tstp(int procfd, pid_t pid)
{
    static const char *const sets[] = {"\nSigBlk:\t", "\nSigIgn:\t", "\nSigCgt:\t"};
    char name[32];
    snprintf(name, sizeof(name), "%d/status", (int)pid);
    autofree char *status = bv_read_proc(procfd, name, 1 << 16);
    for (size_t i = 0; status && i < sizeof(sets) / sizeof(sets[0]); i++) {
        const char *at = strstr(status, sets[i]);
        if (!at || (strtoull(at + strlen(sets[i]), NULL, 16) >> (SIGTSTP - 1) & 1))
            return 0;
    }
    return status != NULL;
}

/* One look at all processes; what is stopped cannot fork. Returns the highest pid. */
static pid_t signal_all(const struct capsule_sentinel *s, int procfd, int number)
{
    pid_t highest = 0;
    autoclose int fd = openat(procfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return 0;
    steal_fd(&fd);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        pid_t pid = (pid_t)atoi(e->d_name);
        if (pid <= 1 || pid == s->pid || (s->signal == SIGTSTP && !is_stopped_by_tstp(procfd, pid)))
            continue;
        kill(pid, number);
        highest = pid > highest ? pid : highest;
    }
    return highest;
}

/* The same for a container, of which only the freezer could be sure; it does not fork faster than we look. */
static int apply_to_tree(struct capsule_sentinel *s, pid_t root)
{
    s->is_applied = 1;
    for (int pass = 0; pass < 3; pass++)
        capsule_signal_tree(root, s->signal ? SIGSTOP : SIGCONT);
    return s->signal == SIGTSTP;
}

int capsule_sentinel_apply(struct capsule_sentinel *s, pid_t root)
{
    if (s->is_applied || root <= 0)
        return 0;
    if (s->is_container)
        return apply_to_tree(s, root);
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0)
        return 0;
    s->is_applied = 1;
    int stop = s->signal != 0;
    if (s->signal == SIGTSTP && !is_stopped_by_tstp(procfd, root))
        return 0; /* the supervisor hands it on, and the job does with it what it likes */
    /* A process that was being made during a pass is found by the next. */
    pid_t before = -1, highest = signal_all(s, procfd, stop ? SIGSTOP : SIGCONT);
    for (int pass = 0; stop && highest != before && pass < PASSES_MAX; pass++) {
        before = highest;
        highest = signal_all(s, procfd, SIGSTOP);
    }
    return s->signal == SIGTSTP;
}
