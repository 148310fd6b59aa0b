/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* The program that carries connections between a capsule's own network and other hosts, as its user: pasta or
 * slirp4netns. It runs outside of the capsule, and ends with it. */

struct bv_carrier {
    const char *name; /* static */
    pid_t pid;        /* our child, 0 = none */
    int pidfd;        /* readable when it has ended; -1 = none */
    int alive;        /* open for as long as we live */
};
#define BV_CARRIER_NONE {.pidfd = -1, .alive = -1}

/* Is there such a program, along PATH? `wanted` is "pasta", "slirp4netns", or "auto" for the first of these that is.
 * Errors: BV_EHOST, with what to do. */
int bv_outside_check(const char *wanted, struct bv_error *err);

/* Start it for the network of process `init`, and wait until it has made its link there. Errors: BV_EHOST, with what
 * the program has said. */
int bv_outside_start(const char *wanted, pid_t init, struct bv_carrier *ret, struct bv_error *err);

/* When `pidfd` is readable: its status, as from wait(2); there is none any more. */
int bv_outside_ended(struct bv_carrier *o);

/* End it. */
void bv_outside_end(struct bv_carrier *o);
