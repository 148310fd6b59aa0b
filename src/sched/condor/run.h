/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "job/supervisor.h"
#include "sched/condor/condor.h"

/* Does the job in which we run ask to be checkpointed? By its ad alone; without one, it does not. */
int bv_condor_is_wanted(void);

/* What the job's ad and sandbox make of settings that nobody nearer to the user has set: the first before
 * bv_settings_load(), the second behind it. Errors: BV_EBLOCKED for what the ad says, BV_ESTORE. */
int bv_condor_settings_before(const struct bv_condor_job *j, struct bv_settings *s, struct bv_error *err);
int bv_condor_settings_behind(const struct bv_condor_job *j, struct bv_settings *s, struct bv_error *err);

/* The files of the sandbox are part of every checkpoint. */
void bv_condor_spec(const struct bv_condor_job *j, struct bv_spec *spec);

/* One visit of the job to a machine: what it has brought is taken in, it runs, and goes on or leaves. The job that
 * begins is `o->spec`; `o` is changed. Behind this its file is in the sandbox if it has to go on, and HTCondor knows
 * what it has used. Errors: those of bv_supervise() and of sandbox.h; HTCondor has been told. */
int bv_condor_run(const struct bv_condor_job *j, struct bv_supervise_options *o, struct bv_outcome *ret,
                  struct bv_error *err);
