/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched.h"

#include <stddef.h>

#include "sched/slurm/slurm.h"

static const struct bv_sched *const schedulers[] = {&bv_sched_slurm};

int bv_sched_detect(const struct bv_sched **ret, struct bv_sched_job *ret_job, struct bv_error *err)
{
    for (size_t i = 0; i < sizeof(schedulers) / sizeof(schedulers[0]); i++) {
        struct bv_sched_job job = {0};
        int is = schedulers[i]->detect(&job, err);
        if (is < 0)
            return -1;
        if (is) {
            *ret = schedulers[i];
            *ret_job = job;
            return 0;
        }
    }
    *ret = NULL;
    return 0;
}
