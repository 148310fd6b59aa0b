/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Copy a directory tree: names, contents (by reflink where the file system can), modes and times; of regular files,
 * directories, symbolic links and fifos. Other things are left out and counted. No link is followed. Owners are not
 * kept, and files with several links become several files. */

#define BV_TREE_DEPTH 200 /* directories within each other; each costs two descriptors while it is walked */

struct bv_tree_id {
    dev_t dev;
    ino_t ino;
};

struct bv_tree_copy {
    uint64_t limit;                /* bytes of disk that all files may take, 0 = any */
    const struct bv_tree_id *skip; /* directories that are left out */
    size_t skip_count;
    int (*interrupted)(void *arg); /* asked before each file; non-zero: give up. May be NULL */
    void *arg;
};

struct bv_tree_copied {
    uint64_t files, bytes;
    uint64_t left_out; /* sockets and devices */
};

/* Copy what is in directory `from` into the empty directory `to`.
 * Errors: BV_EUSAGE (more than the limit, or too deep), BV_EDENIED (which file), BV_ENOSPACE, BV_EINTERNAL (also when
 * interrupted). What was copied until then stays. */
int bv_tree_copy(int from, int to, const struct bv_tree_copy *how, struct bv_tree_copied *ret, struct bv_error *err);
