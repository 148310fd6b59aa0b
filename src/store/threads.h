/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#define BV_THREADS_MAX 16u

/* How many threads to use when `wanted` are asked for; 0 = as many as there are CPUs that this process may use. */
unsigned bv_thread_count(unsigned wanted);
