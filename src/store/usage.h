/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "store/store.h"

/* How much the store takes: the sizes of its regular files, each inode counted once however many generations have a
 * link to it. That is what du --apparent-size says of the files. Only directories are read, no file is opened.
 *
 * Left out is what is there for a moment only: staging directories, and what is being removed. What vanishes while it
 * is counted, for another host removes it, is not counted, and is no error. */

struct bv_usage_file {
    dev_t dev;
    ino_t ino;
    uint64_t bytes;
    unsigned links;      /* that there are, wherever */
    unsigned generation; /* that has this link, committed or being written; 0 = the job's other files */
};

struct bv_usage {
    struct bv_usage_file *files;
    size_t count, room;
};

/* All files of a job, in no order. Errors: BV_ESTORE. */
int bv_usage_read(const struct bv_job *j, struct bv_usage *ret, struct bv_error *err);
void bv_usage_free(struct bv_usage *u);
#define autousage __attribute__((cleanup(bv_usage_free)))

/* Bytes of all files, each once. Sorts them. */
uint64_t bv_usage_total(struct bv_usage *u);

/* Bytes that become free when these generations are removed: of the files to which nobody else has a link. Sorts. */
uint64_t bv_usage_freed(struct bv_usage *u, const unsigned *removed, size_t count);

/* Bytes of all jobs of the store that can be read; with `mine`, of those only that belong to this user. One job that
 * cannot be read is left out: it is another user's. */
int bv_usage_store(struct bv_store *s, int mine, uint64_t *ret, struct bv_error *err);

/* Bytes that become free when `name` in `dirfd` is removed with all below it: of files that have no link elsewhere. And
 * when anything of it was changed last (realtime, ns; may be NULL). What cannot be read counts nothing. */
uint64_t bv_usage_tree(int dirfd, const char *name, int64_t *ret_changed_ns);
