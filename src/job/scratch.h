/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"

/* A directory for the time of one command. It holds a locked file for as long as the command or a process that it
 * started lives, so that what a killed one has left behind can be told from what is in use, and removed by the next. */

struct bv_scratch {
    char *path; /* NULL = there is none */
    int dirfd;
    int lock;
};

/* Make PARENT/PREFIX-XXXXXX, after removing what dead commands have left of that name, if it is the user's own. The
 * lock is inherited by children. Errors: BV_EDENIED, BV_ENOSPACE, BV_ESTORE. */
int bv_scratch_create(const char *parent, const char *prefix, struct bv_scratch *ret, struct bv_error *err);

/* Remove it with all that is in it, whatever modes that has. NULL path is allowed. */
void bv_scratch_remove(struct bv_scratch *s);

/* Remove `name` in it, whatever modes that has. Errors: as bv_remove_tree(). */
int bv_scratch_drop(const struct bv_scratch *s, const char *name, struct bv_error *err);

/* From now on control sockets of this process and its children go into it, and so go when it goes; unless their names
 * would be too long. */
void bv_scratch_sockets(const struct bv_scratch *s);

/* Let go of it, and leave it there. */
void bv_scratch_keep(struct bv_scratch *s);
