/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* A file that holds the pid of a process, in decimal. */

/* The pid in the file `name` of directory `dir`; 0 if there is none, or the process does not exist (a zombie does). */
pid_t bv_pid_file_read(const char *dir, const char *name);

/* Errors: BV_EINTERNAL. */
int bv_pid_file_write(const char *dir, const char *name, pid_t pid, struct bv_error *err);
