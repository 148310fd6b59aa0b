/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/slurm/watch/plan.h"

#define PAUSE_MIN    2.0   /* s; a grace that needs more is too short for a checkpoint anyway */
#define PAUSE_MAX    300.0 /* s, after failures */
#define FAILURES_MAX 8     /* the pause does not double any more */

int slurm_plan(const struct slurm_view *v, enum slurm_on_drain on_drain, struct slurm_told *told)
{
    int tell = 0;
    if (v->end_time != told->deadline)
        tell |= SLURM_TELL_DEADLINE;
    if (v->preempt_time && !told->preempted)
        tell |= SLURM_TELL_PREEMPTED;
    if (v->draining && !told->drained && on_drain != SLURM_DRAIN_IGNORE)
        tell |= SLURM_TELL_DRAINED;
    told->deadline = v->end_time;
    told->preempted = v->preempt_time != 0;
    told->drained = v->draining;
    return tell;
}

double slurm_poll_pause(double usual, double grace, unsigned failures, double dice)
{
    double pause = usual;
    if (grace > 0 && grace / 3 < pause)
        pause = grace / 3;
    if (pause < PAUSE_MIN)
        pause = PAUSE_MIN;
    for (unsigned i = 0; i < failures && i < FAILURES_MAX && pause < PAUSE_MAX; i++)
        pause *= 2;
    if (failures && pause > PAUSE_MAX)
        pause = PAUSE_MAX;
    return pause * (0.8 + 0.2 * dice);
}
