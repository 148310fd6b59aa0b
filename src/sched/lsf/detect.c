/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "sched/lsf/lsf.h"
#include "sched/lsf/place.h"

static int detect(struct bv_sched_job *ret, struct bv_error *err)
{
    struct bv_lsf_id id;
    int is = bv_lsf_job(&id, err);
    if (is <= 0)
        return is;
    bv_lsf_job_name(id, ret->id);
    bv_lsf_id_text(id, ret->native);
    return 1;
}

const struct bv_sched bv_sched_lsf = {
    .name = "lsf",
    .detect = detect,
};
