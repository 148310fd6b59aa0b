/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* One request to the kernel's rtnetlink(7), about the network namespace in which we are. By hand: a program that is
 * setuid root uses it, of which a library for all of netlink would be the greater part. */

struct bv_rtnl {
    _Alignas(8) unsigned char bytes[1024];
    size_t size;
    int full; /* it did not fit: sending it fails */
};

/* A message of `type` (RTM_…) with these flags besides those that ask for an answer; `head` is what stands in front of
 * the attributes, as struct ifinfomsg. */
void bv_rtnl_begin(struct bv_rtnl *m, uint16_t type, uint16_t flags, const void *head, size_t size);

/* One attribute. */
void bv_rtnl_put(struct bv_rtnl *m, uint16_t type, const void *data, size_t size);

/* Attributes that are put until bv_rtnl_close(), with what this returned, are within this one; `head` as above, or
 * NULL. */
size_t bv_rtnl_open(struct bv_rtnl *m, uint16_t type, const void *head, size_t size);
void bv_rtnl_close(struct bv_rtnl *m, size_t opened);

/* Send it and wait for the answer. 0, or -1 with errno. */
int bv_rtnl_do(struct bv_rtnl *m);
