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

/* What a job is kept to, so that it can go on wherever these features are: the levels of the x86-64 psABI. */
enum bv_cpu_baseline { BV_CPU_NO_BASELINE, BV_CPU_X86_64_V2, BV_CPU_X86_64_V3, BV_CPU_BASELINES };

/* "none", "x86-64-v2", "x86-64-v3"; static. bv_cpu_baseline_parse() returns -1 for another word. */
const char *bv_cpu_baseline_name(enum bv_cpu_baseline b);
int bv_cpu_baseline_parse(const char *name);

/* The flags that a program may use which keeps to it; "" for none. Static. */
const char *bv_cpu_baseline_flags(enum bv_cpu_baseline b);

/* Those of `flags` that a program may use which is kept to `b`. Allocated. */
char *bv_cpu_limited(const char *flags, enum bv_cpu_baseline b);

/* What of glibc's tunables (glibc.cpu.hwcaps, "Hardware Capability Tunables" in its manual) keeps the dynamic linker,
 * the string functions and the choice among glibc-hwcaps/ directories to it; "" for none. Static. */
const char *bv_cpu_baseline_tunables(enum bv_cpu_baseline b);

/* Words of `wanted` that `have` lacks, and that matter to programs, separated by spaces; NULL if none. Allocated. */
char *bv_cpu_missing(const char *wanted, const char *have);

/* Those of the words `words` that are not among `others`, separated by spaces; NULL if none. Allocated. */
char *bv_cpu_without(const char *words, const char *others);
