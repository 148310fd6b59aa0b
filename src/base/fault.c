/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#ifdef BV_FAULT_POINTS

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* In the order in which a checkpoint, a removal, a restart, and then what LSF calls, pass them; the process that does
 * is in brackets. tests/fault/ goes through this list. */
static const char *const fault_points[] = {
    "checkpoint-begin",     /* [supervisor] a request was accepted */
    "checkpoint-staged",    /* [supervisor] the staging directory exists */
    "checkpoint-pack-open", /* [writer]     the pack file exists, empty */
    "checkpoint-dump",      /* [operation]  the engine is about to be started */
    "checkpoint-receive",   /* [writer]     an image of memory has begun to come */
    "checkpoint-frozen",    /* [operation]  images are complete, the job is frozen */
    "checkpoint-captured",  /* [operation]  files are captured, the job is still frozen */
    "checkpoint-resumed",   /* [operation]  the job runs again */
    "checkpoint-pack-half", /* [writer]     one stream is in the pack */
    "checkpoint-packed",    /* [writer]     the pack is written, not synced */
    "checkpoint-manifest",  /* [writer]     the manifest is synced in the uncommitted directory */
    "checkpoint-commit",    /* [supervisor] about to rename */
    "checkpoint-committed", /* [supervisor] renamed and synced */
    "operation-told",       /* [operation]  it has said that it is done, and has not ended */
    "last-verify",          /* [verifier]   the last checkpoint of an attempt is about to be read again */
    "last-verified",        /* [supervisor] it is good, the job is about to be ended */
    "last-end",             /* [supervisor] the attempt is about to be ended without a new checkpoint */
    "remove-begin",         /* [any]        a generation is about to be renamed out of sight */
    "remove-hidden",        /* [any]        it is out of sight, whole */
    "remove-half",          /* [any]        its manifest is gone, its packs are not */
    "restart-claimed",      /* [supervisor] the attempt number is taken */
    "restart-unpacked",     /* [supervisor] images and files are staged and verified */
    "restart-capsule",      /* [supervisor] the capsule stands, nothing runs in it */
    "restart-volatile",     /* [operation]  volatile directories are filled */
    "restart-rolled-back",  /* [operation]  the job's files are put back */
    "restart-engine",       /* [operation]  the engine has restored the tree, which has not run yet */
    "restart-restored",     /* [supervisor] the job runs */
    "lsf-echkpnt-begin",    /* [echkpnt]    called, nothing is asked for yet */
    "lsf-echkpnt-asked",    /* [echkpnt]    the supervisor has answered */
    "lsf-echkpnt-told",     /* [echkpnt]    the hooks can read what came of it */
    "lsf-echkpnt-left",     /* [echkpnt]    the file for LSF is written */
    "lsf-post-exec-taken",  /* [post-exec]  nobody else will call brestart */
    "try-unpacked",         /* [verify]     a trial restore has its scratch directory */
    "try-capsule",          /* [verify]     and its capsule, in which nothing runs */
};

void bv_fault_point(const char *name)
{
    int known = 0;
    for (unsigned i = 0; i < sizeof(fault_points) / sizeof(fault_points[0]); i++)
        known |= strcmp(fault_points[i], name) == 0;
    if (!known)
        abort();

    const char *wanted = getenv("BIVOUAC_FAULT_POINT"), *dir = getenv("BIVOUAC_FAULT_DIR");
    if (!wanted || !dir || strcmp(wanted, name) != 0)
        return;

    char reached[4096], go[4096];
    snprintf(reached, sizeof(reached), "%s/reached", dir);
    snprintf(go, sizeof(go), "%s/continue", dir);
    int fd = open(reached, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    dprintf(fd, "%s %d\n", name, (int)getpid());
    close(fd);

    struct bv_deadline deadline = bv_deadline_in(30);
    while (access(go, F_OK) != 0 && !bv_deadline_passed(deadline))
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

#endif
