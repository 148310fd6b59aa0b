/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"

/* What identifies this host, and what a job may have used of it. */

struct bv_host {
    char name[65];    /* uname nodename */
    char kernel[65];  /* uname release */
    char machine[65]; /* uname machine */
    char boot_id[64]; /* /proc/sys/kernel/random/boot_id */
    uint64_t pid_ns;  /* inode of our own pid namespace: pids mean something only within it */
};
int bv_host_read(struct bv_host *ret, struct bv_error *err);

/* The CPU's feature flags of /proc/cpuinfo (first processor), one space between them, sorted. Allocated.
 * Errors: BV_EINTERNAL. */
int bv_cpu_flags(char **ret, struct bv_error *err);

/* Is process `pid` the one that started at `start_time` (bv_task), and does it live? A zombie does not. In our own pid
 * namespace. */
int bv_process_is(pid_t pid, unsigned long long start_time);
