/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reach.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/io.h"

struct answer {
    int sys_errno; /* 0 = st is valid */
    struct stat st;
};

static void ask(const char *path, int to)
{
    struct answer a;
    memset(&a, 0, sizeof(a)); /* it goes through a pipe, with its gaps */
    if (stat(path, &a.st) < 0)
        a.sys_errno = errno;
    _exit(bv_write_full(to, &a, sizeof(a)) < 0);
}

/* 1 = there is one, or none will come. */
static int await(int from, struct bv_deadline deadline)
{
    struct pollfd p = {.fd = from, .events = POLLIN};
    for (;;) {
        int n = poll(&p, 1, bv_deadline_ms(deadline));
        if (n >= 0 || errno != EINTR)
            return n != 0;
    }
}

int bv_reach(const char *path, int seconds, struct stat *ret)
{
    int ends[2];
    struct answer a;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    autoclose int from = ends[0];
    autoclose int to = ends[1];
    pid_t pid = bv_fork();
    if (pid < 0)
        return -1;
    if (pid == 0)
        ask(path, to);
    close_fd(&to);
    if (!await(from, bv_deadline_in(seconds))) {
        /* It cannot be waited for: in a system call that hangs, nothing dies. */
        kill(pid, SIGKILL);
        waitpid(pid, NULL, WNOHANG);
        errno = ETIMEDOUT;
        return -1;
    }
    ssize_t n = bv_read_full(from, &a, sizeof(a));
    waitpid(pid, NULL, 0);
    if (n == sizeof(a) && a.sys_errno == 0)
        *ret = a.st;
    errno = n != sizeof(a) ? EIO : a.sys_errno;
    return errno ? -1 : 0;
}
