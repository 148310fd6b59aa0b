/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fork.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

pid_t bv_fork(void)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it had died before */
        _exit(127);
    return 0;
}
