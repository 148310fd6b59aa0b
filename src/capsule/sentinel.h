/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

/* A scheduler suspends a job by stopping its process group. The supervisor is in that group, the job is not: its root
 * leads a session of its own. The sentinel is a process of the capsule that stays in the group and does nothing; the
 * init, its parent, sees when it is stopped and continued, and does the same to the job. */

struct capsule_sentinel {
    pid_t pid;        /* 0 = there is none */
    int signal;       /* it was stopped by, 0 = it runs */
    int is_applied;   /* the job is as the sentinel is */
    int is_container; /* the job is not alone in our pid namespace: it is the tree below its root */
};

/* Called by the init while it is still in the supervisor's group, which it then leaves. Without a sentinel the job is
 * not stopped with its group. */
void capsule_sentinel_start(struct capsule_sentinel *s);

/* Look whether it was stopped or continued since. */
void capsule_sentinel_look(struct capsule_sentinel *s);

/* Stop or continue everything else in the pid namespace, if that is to be done. Returns 1 if the job was stopped by a
 * SIGTSTP that it leaves to the kernel: a bare program would have been stopped by it. */
int capsule_sentinel_apply(struct capsule_sentinel *s, pid_t root);
