/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/ip.h"

/* Shared between the files of this folder only. */

/* --- rights.c --- */

/* To be called first, by a program that may be setuid root with any environment and descriptors: no environment,
 * descriptors 0 to 2 are there, and of root's rights only those that are needed. `ret` is the user who calls.
 * Errors: BV_EDENIED if there are no rights at all. */
int helper_reduce(uid_t *ret, struct bv_error *err);

/* For what is left to do with the network: be the user who calls, in all but that. */
int helper_become(uid_t uid, struct bv_error *err);

/* Is descriptor `fd` a network namespace that `uid` owns, and not the one in which we are? `ret` is its number, that no
 * other has while it lives. Errors: BV_EDENIED, BV_EUSAGE. */
int helper_check_namespace(int fd, uid_t uid, uint32_t *ret, struct bv_error *err);

/* --- pair.c --- */

struct helper_bridge {
    const char *name;
    int index, mtu;
    uint8_t mac[BV_MAC_SIZE];
};

/* Errors: BV_EHOST (there is none, or it is down), BV_EUSAGE. */
int helper_bridge_find(const char *name, struct helper_bridge *ret, struct bv_error *err);

/* A pair of interfaces, one in the namespace `fd`, called BV_LINK_NAME, with this hardware address; the other at the
 * bridge, named after the `number` of the namespace, and down. Both go when that does in which the inner end is. What
 * had the name already, as an outer end, is removed. */
int helper_pair_make(const struct helper_bridge *bridge, const uint8_t mac[BV_MAC_SIZE], int fd, uint32_t number,
                     struct bv_error *err);

/* Bring the outer end up or down. Errors: BV_EHOST. */
int helper_pair_switch(uint32_t number, int up, struct bv_error *err);
int helper_pair_remove(uint32_t number, struct bv_error *err);

/* --- probe.c --- */

/* Ask on the bridge's segment whether somebody has this address, `text` in messages: BV_EHOST if so. Takes 0.3 s, and
 * 1.5 s when there are answers. */
int helper_probe(const struct helper_bridge *bridge, const struct bv_ip *address, const char *text,
                 struct bv_error *err);
