/* SPDX-License-Identifier: Apache-2.0 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fork.h"

/* Descriptors above 2 close with execve. */
static void become(const struct bv_child *c)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (c->own_session)
        setsid();
    if (c->mask)
        sigprocmask(SIG_SETMASK, c->mask, NULL);
    if (null >= 0 && (c->dir < 0 || fchdir(c->dir) == 0) && dup2(null, 0) >= 0 &&
        dup2(c->out < 0 ? null : c->out, 1) >= 0 && dup2(c->err < 0 ? null : c->err, 2) >= 0)
        execvp(c->path, (char *const *)c->argv);
    _exit(127);
}

pid_t bv_child_start(const struct bv_child *c)
{
    pid_t pid = bv_fork();
    if (pid == 0)
        become(c);
    return pid;
}

int bv_child_status(int wait_status)
{
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

int bv_child_wait(pid_t pid, double seconds)
{
    struct bv_deadline deadline = bv_deadline_in(seconds);
    int status;
    if (pid <= 0) /* which kill(2) would take for everybody */
        return -1;
    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid)
            return bv_child_status(status);
        if ((got < 0 && errno != EINTR) || bv_deadline_passed(deadline))
            break;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return -1;
}

void bv_child_wait_all(double seconds)
{
    struct bv_deadline patience = bv_deadline_in(seconds);
    for (;;) {
        pid_t got = waitpid(-1, NULL, WNOHANG);
        if ((got < 0 && errno != EINTR) || bv_deadline_passed(patience))
            break;
        if (got <= 0)
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}
