/* SPDX-License-Identifier: Apache-2.0 */
#include "store/threads.h"

#include <sched.h>

unsigned bv_thread_count(unsigned wanted)
{
    cpu_set_t cpus;
    if (wanted == 0)
        wanted = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : BV_THREADS_MAX;
    return wanted < BV_THREADS_MAX ? wanted : BV_THREADS_MAX;
}
