/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Whole reads and writes, files published atomically, and trees removed: all relative to directory descriptors,
 * never following a symbolic link in the last component. */

/* Read up to `size` bytes, less only at end of file. Returns the count, or -1 with errno set. */
ssize_t bv_read_full(int fd, void *buf, size_t size);
ssize_t bv_pread_full(int fd, void *buf, size_t size, off_t offset);

/* Write all bytes. Returns 0, or -1 with errno set. */
int bv_write_full(int fd, const void *buf, size_t size);
int bv_pwrite_full(int fd, const void *buf, size_t size, off_t offset);

/* Read a whole file of at most `max` bytes. *ret is allocated, with a NUL behind the last byte, freed by the caller.
 * Errors: BV_ENOJOB if it does not exist, BV_ECORRUPT if it is larger than `max` or no regular file, BV_EDENIED,
 * BV_ESTORE. */
int bv_read_file(int dirfd, const char *name, size_t max, char **ret, size_t *ret_size, struct bv_error *err);

/* Read a small kernel file (/proc, /sys), which has no size. NUL-terminated, freed by the caller. NULL with errno. */
char *bv_read_proc(int dirfd, const char *name, size_t max);

/* Make `name` in `dirfd` hold exactly these bytes, durably (0600), replacing an earlier one if `replace`: written
 * aside, synced, renamed, directory synced. A reader never sees a part. Errors: BV_EBUSY if it exists and !replace,
 * BV_ENOSPACE, BV_ESTORE. */
int bv_publish(int dirfd, const char *name, const void *bytes, size_t size, int replace, struct bv_error *err);

/* Copy `size` bytes from the start of one file to another: reflink if the file system can, else copy_file_range,
 * else read/write; holes stay holes where SEEK_DATA works. Returns 0, or -1 with errno. *ret_reflinked may be NULL. */
int bv_copy_file(int from, int to, off_t size, int *ret_reflinked);

/* Remove `name` in `dirfd` and everything below it, without following links, with a fixed number of descriptors however
 * deep it is. Missing is success. */
int bv_remove_tree(int dirfd, const char *name, struct bv_error *err);
