/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <termios.h>

/* The user's terminal while a job has one of its own behind a relay: raw, so that every key goes to the job's. */
struct bv_terminal {
    int fd; /* -1 = none, or left as it was */
    struct termios saved;
};

/* Switch to raw mode if our standard input is a terminal and we are in its foreground, and give `master` its size and
 * modes. */
void bv_terminal_enter(struct bv_terminal *t, int master);
void bv_terminal_leave(struct bv_terminal *t);

/* Hand the window size on (after SIGWINCH). */
void bv_terminal_resize(int master);
