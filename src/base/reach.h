/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/stat.h>

/* stat(2) of a path whose file system may hang, as when its server does: by a child that is given up at the deadline,
 * and killed as soon as the kernel lets it be. Returns 0, or -1 with errno; ETIMEDOUT = no answer in so many seconds.
 */
int bv_reach(const char *path, int seconds, struct stat *ret);
