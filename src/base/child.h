/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>
#include <sys/types.h>

/* A program that is run as a child, and is killed when its parent dies. */

struct bv_child {
    const char *path;        /* with a '/', or found along $PATH */
    const char *const *argv; /* NULL-terminated */
    int dir;                 /* descriptor of its working directory; -1 = ours */
    int out, err;            /* -1 = /dev/null; its standard input always is */
    const sigset_t *mask;    /* NULL = ours */
    int own_session;         /* the keys of our terminal are not for it */
};

/* Returns its pid, or -1 with errno. It ends with 127 when it cannot be executed. */
pid_t bv_child_start(const struct bv_child *c);

/* The exit status as a shell has it: 128 + N after a death by signal N. */
int bv_child_status(int wait_status);

/* Wait for it to end; its status as above, or -1 when it had not ended after `seconds`, and was killed, or was never
 * started. */
int bv_child_wait(pid_t pid, double seconds);

/* Wait until there are no children any more, nor what they have left to us; but no longer than `seconds`. What they
 * were killed with is the caller's. */
void bv_child_wait_all(double seconds);
