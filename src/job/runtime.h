/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"

/* The user's directory for sockets and caches of this host: $BIVOUAC_RUNTIME_DIR, else $XDG_RUNTIME_DIR/bivouac, else
 * /tmp/bivouac-UID. Created 0700; refused (BV_EDENIED) if it is a link, somebody else's, or open to others. Allocated.
 */
int bv_runtime_dir(char **ret, struct bv_error *err);

/* Path of the control socket of a job of the store at `store_path`, at most 107 bytes. */
int bv_runtime_socket(const char *store_path, const char *job, unsigned long long salt, char ret[108],
                      struct bv_error *err);

/* A directory below it for what an engine caches about this kernel, by kind of network. Allocated, NULL if it cannot be
 * had: an engine works without. */
char *bv_runtime_cache(int private_network);
