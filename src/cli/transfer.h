/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/export.h"

/* What export and import show while they work, and how a signal ends them. */

struct cmd_transfer {
    const char *what; /* "demo@7", or "" while it is not known */
    int is_shown;     /* standard error is a terminal */
    int64_t shown_ns;
    struct bv_transfer_watch watch;
};

/* From here on SIGINT, SIGTERM and SIGHUP make `t->watch` give up instead of ending the process. */
void cmd_transfer_begin(struct cmd_transfer *t, const char *what);

/* Take the line away, and if there was a signal, die of it. */
void cmd_transfer_end(struct cmd_transfer *t);
