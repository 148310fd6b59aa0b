/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "matrix/programs/row.h"

/* The program "objects": one case for each kind of object that the kernel keeps for a process. A case makes its object,
 * calls hold(), and looks whether the object is still what it was. Nothing but libc and system calls. */

/* One table for each family. */
extern const struct row_case object_event_cases[], object_timer_cases[], object_ring_cases[], object_pipe_cases[],
    object_ipc_cases[], object_unix_cases[], object_inet_cases[], object_file_cases[], object_deleted_cases[],
    object_lock_cases[], object_task_cases[], object_tree_cases[], object_memory_cases[];

/* As row_ready(), wherever we are now: a case may delete its directory or leave it. Children and threads wait quietly.
 */
void hold(void);
void hold_quietly(void);

/* Before hold(): what `rc` is the result of works on this machine, else it is not here: "cannot WHAT: …". Returns
 * `rc`. */
int have(int rc, const char *what);

/* Does `fd` become readable within ten seconds? */
int is_readable(int fd);

/* `n` bytes that depend on `seed` and their place; whether a buffer is such. */
void fill(unsigned char *buffer, size_t n, unsigned seed);
int is_filled(const unsigned char *buffer, size_t n, unsigned seed);

/* Fork; the child runs `f(arg)` and ends with what it returns. */
pid_t child(int (*f)(void *), void *arg);

/* Wait for the end of a child; its exit status, or 128 + the signal. */
int status_of(pid_t pid);
