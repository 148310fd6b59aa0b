/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* The supervisors that run on this host: each listens in the runtime directory of its user (job/runtime.h). For root
 * these are the directories of all users at the usual places, /run/user/UID/bivouac and /tmp/bivouac-UID, besides its
 * own; else the user's own alone. */

#define BV_RUNNING_MAX 4096 /* a user can make as many sockets as he likes */

struct bv_running {
    int fd;    /* connected; its peer is a process of `uid` */
    uid_t uid; /* of the supervisor */
};

/* Connect to all. Allocated; whoever cannot be reached is left out. Errors: BV_EDENIED, BV_EINTERNAL. */
int bv_running_connect(struct bv_running **ret, size_t *ret_count, struct bv_error *err);
void bv_running_free(struct bv_running *list, size_t count);
