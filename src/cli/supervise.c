/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/supervise.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/cmd.h"

/* Die of the signal that the job died of, so that whoever waits for us sees no difference; without a core dump, which
 * would be ours and not the job's. */
static int die_of(int number)
{
    sigset_t one;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    signal(number, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    raise(number);
    return 128 + number; /* a signal that does not end a process */
}

int cmd_supervise(const struct bv_supervise_options *o)
{
    struct bv_error err = {0};
    struct bv_outcome outcome = {0};
    if (bv_supervise(o, &outcome, &err) < 0)
        return cmd_fail(&err, 0);
    switch (outcome.how) {
    case BV_ENDED_EXIT:
        return outcome.number;
    case BV_ENDED_SIGNAL:
        return die_of(outcome.number);
    case BV_ENDED_CHECKPOINTED:
        return BV_CHECKPOINTED;
    }
    return BV_EINTERNAL;
}
