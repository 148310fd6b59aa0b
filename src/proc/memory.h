/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Bytes that this process could allocate now without anybody being killed for it: the least of the machine's available
 * memory (/proc/meminfo MemAvailable) and what the limits of our memory cgroup and its ancestors leave (cgroup v2, or
 * the v1 memory controller). 0 if nothing can be learnt. */
uint64_t bv_memory_available(void);

/* The same for one hierarchy given by descriptors, for tests: the least of limit - usage on the way from `path` up.
 * UINT64_MAX if there is no limit. `v2` tells which file names to read. */
uint64_t bv_memory_cgroup_room(int rootfd, const char *path, int v2);
