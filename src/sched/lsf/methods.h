/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The programs that LSF starts. Each returns its exit status: 0 only if what LSF will now believe is true, else a code
 * of base/error.h. Nothing is printed: LSF takes text for a failure, or drops it. See bivouac.log (place.h). */

/* echkpnt.bivouac [-c] [-f] [-k|-s] [-x] -d ID.tmp PGID: asks the job's supervisor for a checkpoint, and waits for it.
 * With -k the process group PGID is killed once the checkpoint is committed. */
int bv_lsf_echkpnt(int argc, char **argv);

/* erestart.bivouac [-c] [-f] ID: looks whether the job can be continued, and writes the command for that into
 * .restart_cmd. Whatever goes wrong, LSF never finds a reason to run the job from its beginning. */
int bv_lsf_erestart(int argc, char **argv);

/* "bivouac lsf terminate": the queue's JOB_CONTROLS=TERMINATE[...]. A job at its run limit is checkpointed, by way of
 * bchkpnt, and killed; every other one is ended as LSF would. */
struct bv_lsf_terminate_options {
    double interval;    /* s between SIGINT, SIGTERM and SIGKILL */
    int pending_status; /* returned while a checkpoint is being made */
};
int bv_lsf_terminate(const struct bv_lsf_terminate_options *o);

/* "bivouac lsf post-exec": the queue's POST_EXEC. Restarts, by way of brestart, what bv_lsf_terminate has saved.
 * Returns 0 always: LSF has nothing better to do with another status than to close the host. */
int bv_lsf_post_exec(void);
