/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "sched/gridengine/gridengine.h"
#include "sched/number.h"

#define HOSTS_MAX 1000000

/* The number in a variable, `missing` where it is not set. */
static int number_of(const char *name, unsigned long long max, unsigned long long missing, unsigned long long *ret,
                     struct bv_error *err)
{
    const char *text = getenv(name);
    *ret = missing;
    if (text && *text && bv_sched_number(text, max, ret) < 0)
        return bv_fail(err, BV_EUSAGE, 0, "%s is '%.40s', which is no number of Grid Engine's", name, text);
    return 0;
}

static int detect(struct bv_sched_job *ret, struct bv_error *err)
{
    struct bv_gridengine_id id;
    unsigned long long hosts, restarted;
    int is = bv_gridengine_job(&id, err);
    if (is <= 0)
        return is;
    if (number_of("NHOSTS", HOSTS_MAX, 1, &hosts, err) < 0 || number_of("RESTARTED", 1000, 0, &restarted, err) < 0)
        return -1;
    bv_gridengine_name(id, ret->id);
    snprintf(ret->native, sizeof(ret->native), "%llu.%u", id.job, id.task);
    ret->again = restarted > 0;
    if (hosts > 1)
        return bv_fail(err, BV_EBLOCKED, 0,
                       "job %s has %llu hosts, and only jobs of one host can be checkpointed yet: ask for a parallel "
                       "environment with allocation_rule $pe_slots",
                       ret->id, hosts);
    return 1;
}

static int owns(const char *job_id)
{
    struct bv_gridengine_id id;
    return bv_gridengine_name_parse(job_id, &id);
}

const struct bv_sched bv_sched_gridengine = {
    .name = "sge",
    .requeue_exit = BV_GRIDENGINE_AGAIN,
    .detect = detect,
    .owns = owns,
};
