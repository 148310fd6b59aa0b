/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sched/slurm/private.h"

/* Steps above are Slurm's own: the batch script, the shell of salloc. */
#define LAST_STEP 0xfffffff0UL

int slurm_number(const char *name, unsigned long *ret, struct bv_error *err)
{
    const char *text = getenv(name);
    char *end;
    if (!text || !*text)
        return 0;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value > 0xffffffffUL)
        return bv_fail(err, BV_EUSAGE, 0, "%s is '%.40s', which is no number of Slurm's", name, text);
    *ret = value;
    return 1;
}

/* What cannot be checkpointed as one tree of one host. */
static int refuse_wide(const char *id, struct bv_error *err)
{
    unsigned long nodes = 1;
    if (getenv("SLURM_HET_SIZE"))
        return bv_fail(err, BV_EBLOCKED, 0,
                       "job %s is a heterogeneous job, which cannot be checkpointed yet: submit its components as jobs "
                       "of their own",
                       id);
    if (slurm_number("SLURM_JOB_NUM_NODES", &nodes, err) < 0)
        return -1;
    if (nodes > 1)
        return bv_fail(err, BV_EBLOCKED, 0,
                       "job %s has %lu nodes, and only jobs of one node can be checkpointed yet: ask for --nodes=1", id,
                       nodes);
    return 1;
}

static int detect(struct bv_sched_job *ret, struct bv_error *err)
{
    unsigned long job, array, member, step, task = 0, restarts = 0;
    int is = slurm_number("SLURM_JOB_ID", &job, err);
    if (is <= 0)
        return is;
    int in_array = slurm_number("SLURM_ARRAY_JOB_ID", &array, err);
    int has_member = in_array > 0 ? slurm_number("SLURM_ARRAY_TASK_ID", &member, err) : 0;
    int in_step = slurm_number("SLURM_STEP_ID", &step, err);
    if (in_array < 0 || has_member < 0 || in_step < 0 || slurm_number("SLURM_PROCID", &task, err) < 0 ||
        slurm_number("SLURM_RESTART_COUNT", &restarts, err) < 0)
        return -1;

    char steps[48] = "";
    if (has_member)
        snprintf(ret->native, sizeof(ret->native), "%lu_%lu", array, member);
    else
        snprintf(ret->native, sizeof(ret->native), "%lu", job);
    if (in_step && step < LAST_STEP)
        snprintf(steps, sizeof(steps), ".%lu.%lu", step, task);
    snprintf(ret->id, sizeof(ret->id), "slurm-%s%s", ret->native, steps);
    ret->again = restarts > 0;
    return refuse_wide(ret->id, err);
}

const struct bv_sched bv_sched_slurm = {
    .name = "slurm",
    .detect = detect,
    .watch = slurm_watch,
    .owns = slurm_owns,
    .reach = slurm_reach,
    .move = slurm_move,
    .may_move = slurm_may_move,
};
