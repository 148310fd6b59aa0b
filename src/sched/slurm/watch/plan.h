/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* What a job is to be told, from what Slurm says of it. Pure: no Slurm, no clock, no file. */

/* What Slurm says of the job, and of its node, at one moment. Times are seconds of the wall clock. */
struct slurm_view {
    int64_t end_time;     /* when Slurm will end the job, 0 = not known */
    int64_t preempt_time; /* when a job with priority asked for its place, 0 = none has; it ends at end_time */
    int draining;         /* the node takes no new jobs */
};

/* What the job has been told. Zero at first. */
struct slurm_told {
    int64_t deadline;
    int preempted, drained;
};

enum slurm_on_drain {
    SLURM_DRAIN_IGNORE,
    SLURM_DRAIN_CHECKPOINT, /* the job may stay until its end, but the node may not */
    SLURM_DRAIN_STOP,       /* leave the node: checkpoint, and be requeued */
};

/* Bits of what to tell. */
enum { SLURM_TELL_DEADLINE = 1, SLURM_TELL_PREEMPTED = 2, SLURM_TELL_DRAINED = 4 };

/* What is new in `v`; `told` is brought up to date. A node that is no longer drained may be drained again. */
int slurm_plan(const struct slurm_view *v, enum slurm_on_drain on_drain, struct slurm_told *told);

/* Seconds until Slurm is asked again. `grace` is the partition's GraceTime: a job must hear of its preemption when two
 * thirds of that are still left. `failures` in a row make it longer: a controller that is down or drowning is not
 * helped by questions. `dice` in [0, 1) spreads jobs that began in the same second over a fifth of that time. */
double slurm_poll_pause(double usual, double grace, unsigned failures, double dice);
