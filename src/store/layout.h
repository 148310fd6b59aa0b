/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"

/* Names in the store, and how its directories are opened, listed and trusted. Private to src/store. */

#define BV_STORE_FORMAT "bivouac-store 1\n"

#define BV_GENERATION_MAX 999999u /* six digits, so that names sort as numbers do */
#define BV_ATTEMPT_MAX    999999u

#define BV_LAYOUT_NAME 32 /* room for every name made here */

void bv_generation_name(unsigned generation, char ret[BV_LAYOUT_NAME]);                    /* 000007 */
void bv_uncommitted_name(unsigned generation, unsigned attempt, char ret[BV_LAYOUT_NAME]); /* .000008.0003 */
void bv_staging_name(unsigned attempt, char ret[BV_LAYOUT_NAME]);                          /* .staging-0003 */
void bv_deleted_name(unsigned generation, char ret[BV_LAYOUT_NAME]);                       /* .deleted-000007 */
void bv_attempt_name(unsigned attempt, char ret[BV_LAYOUT_NAME]);                          /* 0003 */
void bv_attempt_end_name(unsigned attempt, char ret[BV_LAYOUT_NAME]);                      /* 0003.end */

/* The inverse: 1 and the numbers if `name` is exactly what the function above would make, else 0. */
int bv_is_generation(const char *name, unsigned *ret);
int bv_is_uncommitted(const char *name, unsigned *ret_generation, unsigned *ret_attempt);
int bv_is_staging(const char *name, unsigned *ret_attempt);
int bv_is_deleted(const char *name, unsigned *ret_generation);
int bv_is_attempt(const char *name, unsigned *ret);

/* Open a directory without following a link. -1 with errno. */
int bv_dir_open(int dirfd, const char *name);

/* Create (0700) and open it. -1 with errno. */
int bv_dir_create(int dirfd, const char *name);

/* Call `each` for every entry but "." and "..", in no order, until it returns non-zero. The directory is opened anew,
 * which makes an NFS client ask its server. Entries may be removed meanwhile. */
int bv_dir_each(int dirfd, int (*each)(const char *name, void *arg), void *arg, struct bv_error *err);

/* May we trust what is in there? BV_EDENIED unless the directory is ours (or root's, with `or_root`) and nobody else
 * may write to it. `what` is its name in the message. */
int bv_dir_trusted(int fd, int or_root, const char *what, struct bv_error *err);

/* Rename a directory unless something is there already, durably. -1 with errno, EEXIST if so. */
int bv_dir_rename_new(int dirfd, const char *from, const char *to);
