/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/ip.h"

/* Who may use which bridge with which addresses: /etc/bivouac/links.conf, of which each line is
 *
 *     allow WHO BRIDGE ADDRESS[,ADDRESS...]
 *
 * WHO is a user, "@GROUP", or "*" for everybody; a user or group may be its number. ADDRESS is one address, a network
 * as 192.0.2.0/24, or "any". '#' begins a comment. What no line allows is denied, and a line that is not understood
 * denies everything: it may have been meant to. */

#define HELPER_LIST      "/etc/bivouac/links.conf"
#define HELPER_LIST_MAX  (64 << 10) /* bytes */
#define HELPER_GROUP_MAX 1024

/* Who asks. The functions find the number of a name, or return -1. */
struct helper_caller {
    uid_t uid;
    const gid_t *groups;
    size_t group_count;
    int (*user)(const char *name, uid_t *ret);
    int (*group)(const char *name, gid_t *ret);
};

/* `text`, of `size` bytes, is the list; it is changed, and has room for a NUL behind it. Errors: BV_EDENIED. */
int helper_list_allows(char *text, size_t size, const struct helper_caller *who, const char *bridge,
                       const struct bv_ip *address, struct bv_error *err);

/* The list in HELPER_LIST, if it is root's alone to write; the names are the system's. */
int helper_list_ask(uid_t uid, const char *bridge, const struct bv_ip *address, struct bv_error *err);
