/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"

/* What the engine forgets of a tree, besides CPU masks (affinity.h), and what can be asked and set from outside of its
 * processes: priority of i/o and timer slack of each thread, options of sockets, terminals whose other side has been
 * closed, and whether addresses are randomized.
 *
 *     {"threads": [{"tid": 1003, "ioprio": 24576, "timer_slack_ns": 1000}],
 *      "sockets": [{"pid": 1003, "fd": 4, "options": {"TCP_USER_TIMEOUT": 12345}}],
 *      "hung-up": [{"pid": 1003, "fd": 19, "unread": "6f6b0a"}],
 *      "code": [{"pid": 1003, "at": 4194304, "bytes": "554889e54883ec10"}],
 *      "personality": 262144}
 *
 * Only what differs from what the capsule was given, or from a new socket, is in it. */

/* It all travels in a message: so many threads and options of sockets, and the rest is left out. */
#define BV_FORGOTTEN_THREADS 400
#define BV_FORGOTTEN_OPTIONS 600
#define BV_FORGOTTEN_CODES   400

/* Who has read the end of a terminal closes it, so that there are few. In bytes, of all of them. */
#define BV_FORGOTTEN_TERMINALS 64
#define BV_FORGOTTEN_UNREAD    16384

/* Of a tree that stands still, within its capsule. `ret` is a new reference; returns how much was left out, or -1. */
int bv_forgotten_take(pid_t root, json_t **ret, struct bv_error *err);

/* Before the engine is started, whose processes inherit it. */
void bv_forgotten_inherit(const json_t *forgotten);

/* Set it again in the restored tree; NULL is a checkpoint that knew of none. What this host does not have or allow is
 * left alone; the number of those is returned, -1 on error. */
int bv_forgotten_restore(const json_t *forgotten, struct bv_error *err);

/* Set timerfds going again, in the restored tree, that have a period and had come to their end unread: the engine gives
 * them no time, which for the kernel means that they are off. One of them is let to tick a period from now; those that
 * are not so, and those that cannot be had, are left alone. */
void bv_forgotten_timers_wind(pid_t root);

/* Of sockets alone (forgotten_sockets.c). */
int bv_forgotten_sockets_take(int procfd, pid_t root, json_t **ret, struct bv_error *err);
int bv_forgotten_sockets_restore(const json_t *sockets, struct bv_error *err);

/* Of masters of terminals alone (forgotten_terminals.c). The engine restores one whose other side was closed as one
 * whose other side was never opened, and without what was not read yet: its reader would wait for ever for the end. */
int bv_forgotten_terminals_take(int procfd, pid_t root, json_t **ret, struct bv_error *err);
int bv_forgotten_terminals_restore(const json_t *list, struct bv_error *err);

/* Of code alone (forgotten_code.c): the bytes over which the engine injects (engine/injected.h), of processes that do
 * not have them from a file; and put right again, from there or from the file. `list` may be NULL. Only in a tree that
 * is as it will run: until then the first code of a process is the engine's own. */
int bv_forgotten_code_take(int procfd, pid_t root, json_t **ret, struct bv_error *err);
int bv_forgotten_code_restore(const json_t *list, pid_t root, struct bv_error *err);
