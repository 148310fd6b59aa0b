/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/supervise.h"

/* What the starter of a scheduler wants otherwise than "bivouac run" by hand. {0} = nothing. */
struct cmd_run_how {
    unsigned script_word; /* which word of COMMAND --keep-script copies */
    int again;            /* the scheduler has started this job before, though its environment may not say so */
    int hold_exit;        /* exit status by which it holds the job; for all errors but that the command cannot be run
                             and that another attempt has taken over. 0 = they have their own */
    int tell_signal;      /* a death by signal is the exit status 128 + N, and no death of ours */
};

/* "bivouac run" with these arguments; the first is its name. */
int cmd_run_how(const struct cmd_run_how *how, int argc, char **argv);
