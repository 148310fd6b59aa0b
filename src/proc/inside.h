/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

/* Open something whose meaning depends on who opens it (a netlink socket, /proc/sysvipc/…) as process `pid` would:
 * `open_it(arg)` returns a descriptor or -1 with errno, and runs in a namespace of `pid`, "net" or "ipc". If that is
 * not ours already, a child enters it, which works for root and for the owner of the user namespace it belongs to.
 * Returns the descriptor, or -1 with errno (ENOENT: no such process; EPERM, EACCES: not ours to enter). */
int bv_open_inside(int procfd, pid_t pid, const char *kind, int (*open_it)(const void *arg), const void *arg);
