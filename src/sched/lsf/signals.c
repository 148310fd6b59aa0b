/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/lsf/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fork.h"

static void set_all(void (*disposition)(int))
{
    for (int n = 1; n < NSIG; n++)
        signal(n, disposition);
}

void bv_lsf_reset_signals(void)
{
    sigset_t none;
    set_all(SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int bv_lsf_in_child(int (*work)(void *arg), void *arg)
{
    int status;
    pid_t pid = bv_fork(); /* if the parent is killed after all, nobody is there to tell how this ends */
    if (pid < 0)
        return BV_EINTERNAL;
    if (pid == 0)
        _exit(work(arg));
    set_all(SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    while (waitpid(pid, &status, 0) < 0) /* each wait of its has a deadline */
        if (errno != EINTR)
            return BV_EINTERNAL;
    return WIFEXITED(status) ? WEXITSTATUS(status) : BV_EINTERNAL;
}
