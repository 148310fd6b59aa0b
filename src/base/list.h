/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>

/* The entries of a directory, without "." and "..".
 *
 *     autoclosedir DIR *dir = bv_list_open(dirfd);
 *     for (const char *name; (name = bv_list_next(dir));)
 *         …
 *     if (errno)
 *         … not all of them were seen
 */

/* From the first entry on, whatever was read from `dirfd` before, which stays the caller's. NULL with errno. */
DIR *bv_list_open(int dirfd);

/* Borrowed until the next call. NULL at the end with errno 0, or with the errno of a failure. */
const char *bv_list_next(DIR *dir);
