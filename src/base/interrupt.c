/* SPDX-License-Identifier: Apache-2.0 */
#include "base/interrupt.h"

#include <stddef.h>
#include <time.h>

static void interruptions(sigset_t *ret)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    sigemptyset(ret);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(ret, numbers[i]);
}

int bv_interrupt_block(sigset_t *ret_old)
{
    sigset_t set;
    interruptions(&set);
    return sigprocmask(SIG_BLOCK, &set, ret_old);
}

int bv_interrupt_nap(long nsec)
{
    sigset_t set;
    interruptions(&set);
    int number = sigtimedwait(&set, NULL, &(struct timespec){.tv_nsec = nsec});
    return number > 0 ? number : 0;
}
