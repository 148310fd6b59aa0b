/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Which features of a CPU a program depends on. Pure. Flags are as bv_cpu_flags() gives them. */

#define BV_CPU_FEATURE_PREFIX "bv-"

/* May a program that runs here use what this flag stands for? Not of those that every x86-64 CPU has, of those that
 * only a kernel or hypervisor can use, and of those that only tell how fast or how safe something is. A flag that is
 * not known may be used. `n` bytes. */
int bv_cpu_flag_matters(const char *flag, size_t n);

/* Names for a scheduler's features of nodes: that of the machine, and one for each flag that matters, with commas:
 * "bv-x86_64,bv-aes,bv-avx2". A job runs on each node that has all features of the node where it was checkpointed.
 * Allocated. */
char *bv_cpu_features(const char *machine, const char *flags);
