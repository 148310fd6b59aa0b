/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/msg.h"
#include "sched/slurm/private.h"

#define ADVICE_FD 3 /* of bivouac-slurm-watch */

/* What Slurm planned when the job began. Whoever extends a job's limit later, or preempts it, tells only the
 * controller, and that is asked by another program: without it, or while the controller is down, this has to do. */
static void tell_what_is_known(int fd)
{
    unsigned long end;
    if (slurm_number("SLURM_JOB_END_TIME", &end, NULL) <= 0)
        return;
    json_t *message = json_pack("{s:s, s:I, s:s}", "is", "deadline", "at", (json_int_t)end, "why", "limit");
    bv_msg_send(fd, message, NULL, 0, bv_deadline_in(10), NULL);
    json_decref(message);
}

void slurm_watch(int fd)
{
    const char *job = getenv("SLURM_JOB_ID");
    tell_what_is_known(fd);
    if (job && (fd == ADVICE_FD ? fcntl(fd, F_SETFD, 0) : dup2(fd, ADVICE_FD)) >= 0)
        execl(BV_LIBEXECDIR "/bivouac-slurm-watch", "bivouac-slurm-watch", job, (char *)NULL);
}
