/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A decimal number without sign or space, at most `max`, as schedulers write them. Returns 0, or -1. */
int bv_sched_number(const char *text, unsigned long long max, unsigned long long *ret);
