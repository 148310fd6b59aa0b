/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* Sizes in words; and why a write failed, in words that help the one who must make room. */

#define BV_SIZE_TEXT 32

/* "1.2 GiB", "812 bytes". */
void bv_size_text(uint64_t bytes, char ret[BV_SIZE_TEXT]);

/* Fail after a write to `fd` (or to the directory `fd`) ended with `sys_errno`. `what` is what was being done:
 * "writing generation 7 of job J"; `more` is about how many bytes were still to be written, 0 if nobody knows.
 * BV_ENOSPACE for a full file system, a quota and a limit on the size of files; else BV_ESTORE. */
int bv_fail_write(int fd, int sys_errno, uint64_t more, const char *what, struct bv_error *err);
