/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/trial.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "proc/tree.h"

#define GRACE 5.0 /* s between SIGTERM and SIGKILL, and between that and giving up */

/* Returns the number of a signal that should have ended us, and would have left the command behind; or 0. */
static int nap(void)
{
    return bv_interrupt_nap(10000000);
}

/* In the child: becomes the command, or says why not. A session of its own keeps it from our terminal, which is not the
 * one it would have as a job. */
static void become(char **command, int quiet, int report, const sigset_t *mask)
{
    setsid();
    sigprocmask(SIG_SETMASK, mask, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (!quiet || dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
        execvp(command[0], command);
    int why = errno;
    if (write(report, &why, sizeof(why)) < 0)
        _exit(1);
    _exit(1);
}

int trial_start(char **command, int quiet, struct trial *ret, struct bv_error *err)
{
    int ends[2];
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot start %s", command[0]);
    autoclose int report = ends[0], child_end = ends[1];

    sigset_t mask;
    if (bv_interrupt_block(&mask) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot start %s", command[0]);
    pid_t pid = fork();
    if (pid < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot start %s", command[0]);
    if (pid == 0)
        become(command, quiet, child_end, &mask);
    close_fd(&child_end);

    int why = 0;
    ssize_t n;
    while ((n = read(report, &why, sizeof(why))) < 0 && errno == EINTR)
        ;
    if (n == 0) {
        *ret = (struct trial){.pid = pid, .name = command[0]};
        return 0;
    }
    waitpid(pid, NULL, 0);
    return bv_fail(err, why == ENOENT ? BV_ENOCMD : BV_ENOEXEC, why, "cannot run %s", command[0]);
}

int trial_wait(const struct trial *t, double seconds, struct bv_error *err)
{
    struct bv_deadline until = bv_deadline_in(seconds);
    while (seconds > 0 && !bv_deadline_passed(until)) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)t->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == t->pid)
            return bv_fail(err, BV_EENDED, 0, "%s ended before it could be looked at: give a shorter --after", t->name);
        int number = nap();
        if (number)
            return bv_fail(err, BV_EINTERNAL, 0, "interrupted by the signal %s", strsignal(number));
    }
    return 0;
}

/* Send a signal to all our descendants, which are the command's: we have started nothing else. Returns how many there
 * are, zombies not counted, after reaping those that are ours to reap. */
static size_t signal_all(int number)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autopids struct bv_pids all = {0};
    if (procfd < 0 || bv_tree_scan(procfd, getpid(), &all, NULL) < 0)
        return 0;

    size_t alive = 0;
    for (size_t i = 1; i < all.count; i++) {
        struct bv_task task;
        if (bv_task_read(procfd, all.pid[i], &task, NULL) < 0 || task.state == 'Z')
            continue;
        alive++;
        if (number)
            kill(all.pid[i], number);
    }
    return alive;
}

void trial_end(struct trial *t)
{
    signal_all(SIGTERM);
    signal_all(SIGCONT); /* a stopped process would never see the other one */
    struct bv_deadline patience = bv_deadline_in(GRACE);
    while (signal_all(0) > 0 && !bv_deadline_passed(patience))
        nap();
    patience = bv_deadline_in(GRACE);
    while (signal_all(SIGKILL) > 0 && !bv_deadline_passed(patience))
        nap();
    if (signal_all(0) > 0)
        bv_warn("%s cannot be ended: a process of it waits in the kernel", t->name);
    t->pid = 0;
}
