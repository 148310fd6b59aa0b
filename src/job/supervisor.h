/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "config/settings.h"
#include "job/spec.h"

/* The supervisor: runs one attempt of a job, from its start or from a checkpoint, until it ends. */

struct bv_supervise_options {
    const struct bv_settings *settings;
    const char *job_id;   /* NULL = a new one */
    struct bv_spec *spec; /* of the job, if it does not exist yet; NULL = it must exist */
    const char *note;     /* to be told if the job is made now; NULL = nothing */
    const char *script; /* of what a word of spec->argv is to be a copy, kept with the job (script.h); NULL = nothing */
    unsigned script_word; /* of which word */
    unsigned generation;  /* 0 = the newest that verifies */
    const char *chdir;    /* continue in this directory instead of the recorded one; NULL = there */
    int accept_changed;   /* go on although recorded files have changed */
    int keep_times;       /* of files that a restart finds as they should be: a scheduler that brought them goes by when
                             they were changed, and would carry each back */
    int restart_only;     /* never start the command from the beginning */
    int protect;          /* let the job write to nothing of the host but its binds */
    int quiet;            /* do not say on standard error how it goes */
    int vouched;          /* the previous attempt is known to be dead */
    int again;            /* a scheduler has requeued the job: wait for the lease of the attempt before, take a death by
                             signal for the scheduler's doing, and an exit for the end, which is told again */
    const char *scheduler, *scheduler_job; /* which runs this attempt, and as what: for the history; NULL = none */
    int advice_fd;  /* SOCK_SEQPACKET on which the scheduler's watcher speaks (doc/format/control.md), the supervisor's
                       own from now on; a standard descriptor, 0 to 2, or -1 = none */
    int even_ended; /* a job that has ended goes on from its last checkpoint */
    int each_ends;  /* each checkpoint that the policy makes ends the attempt, for a scheduler that carries it away; one
                       that fails does not */
    /* A directory that the scheduler has renamed since, leaving a symbolic link: recorded paths may lead into it by
     * that link. A real path; NULL = none. */
    const char *moved_dir;
};

enum bv_ending {
    BV_ENDED_EXIT,         /* the job ended with status `number` */
    BV_ENDED_SIGNAL,       /* the job died of signal `number` */
    BV_ENDED_CHECKPOINTED, /* saved and ended, to be continued */
    BV_ENDED_STOPPED,      /* ended without a new checkpoint: to be continued from the one before */
};

struct bv_outcome {
    enum bv_ending how;
    int number;
    int was_stopping; /* it had been asked to end */
};

/* Returns when the attempt has ended. On failure the job does not run any more, and the last committed checkpoint is
 * intact. Errors: any. Call it from a process with one thread; it changes the signal mask and descriptors' flags. */
int bv_supervise(const struct bv_supervise_options *o, struct bv_outcome *ret, struct bv_error *err);
