/* SPDX-License-Identifier: Apache-2.0 */
/* signals: says which of TERM, INT, HUP, USR1 and USR2 it got, one line each; ends with status 3 after QUIT. */

#include "app.h"

#include <signal.h>

int main(void)
{
    sigset_t set;
    int sig;

    CHECK(sigemptyset(&set) == 0);
    for (const int *s = (const int[]){SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, 0}; *s; s++)
        CHECK(sigaddset(&set, *s) == 0);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    puts("ready");
    fflush(stdout);
    for (;;) {
        do
            sig = sigwaitinfo(&set, NULL);
        while (sig < 0 && errno == EINTR);
        CHECK(sig > 0);
        if (sig == SIGQUIT)
            return 3;
        printf("got SIG%s\n", sigabbrev_np(sig));
        fflush(stdout);
    }
}
