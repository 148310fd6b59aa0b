/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* The user's directory for sockets of this host: $BIVOUAC_RUNTIME_DIR, else $XDG_RUNTIME_DIR/bivouac, else
 * /tmp/bivouac-UID. Created 0700; refused (BV_EDENIED) if it is a link, somebody else's, or open to others. Allocated.
 */
int bv_runtime_dir(char **ret, struct bv_error *err);

/* Path of the control socket of a job of the store at `store_path`, at most 107 bytes. */
int bv_runtime_socket(const char *store_path, const char *job, unsigned long long salt, char ret[108],
                      struct bv_error *err);

/* A directory of a job on this host, for as long as an attempt runs: beside the sockets, created 0700 and with nothing
 * in it that an earlier attempt has not left. Allocated. */
int bv_runtime_job_dir(const char *store_path, const char *job, char **ret, struct bv_error *err);

/* Control sockets of this user on this host at which nobody has listened for a minute: *ret is an allocated array of
 * `*ret_count` allocated paths. */
int bv_runtime_stale(char ***ret, size_t *ret_count, struct bv_error *err);

/* Is it a socket in the directory above? */
int bv_runtime_has(const char *socket_path);

/* Remove the control socket of a supervisor that is known to be dead, if `socket_path` is one in the directory above.
 */
void bv_runtime_forget(const char *socket_path);
