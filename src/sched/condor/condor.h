/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "sched/sched.h"

/* HTCondor 23 and newer. Process 2 of cluster 12 is condor-12.2, whichever slot it runs in and however often. */
extern const struct bv_sched bv_sched_condor;

/* What the job's starter has told, once it is known that the job can be checkpointed. */
struct bv_condor_job {
    struct bv_sched_job name;
    char *sandbox;        /* real path */
    int sandbox_fd;       /* open */
    double interval;      /* s between checkpoints that are carried away */
    double window;        /* s from the signal that asks the job to leave until it is killed */
    int leave_signal;     /* SIGTERM, or what the job's ad says */
    char *network;        /* as --network; NULL = not said */
    char *store;          /* where the working store is to be; NULL = in the sandbox */
    uint64_t disk;        /* bytes that the user has asked for; 0 = not said */
    int is_listed;        /* the checkpoint's file is in the job's list of outputs, so that it has to be there */
    int wants_checkpoint; /* checkpoint_restart = true */
    int was_uploaded;     /* HTCondor has got a checkpoint of it */
};

/* Read the ads of the job in which we run. Errors: BV_EUSAGE if there is none, BV_EBLOCKED if it is one that cannot be
 * checkpointed, with the reason. */
int bv_condor_job_read(struct bv_condor_job *ret, struct bv_error *err);
void bv_condor_job_free(struct bv_condor_job *j);
#define autocondor __attribute__((cleanup(bv_condor_job_free)))
