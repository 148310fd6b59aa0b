/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of Slurm from a login node: by its own commands, which go with every release of it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/command.h"
#include "sched/slurm/private.h"

#define STEP_WAIT "--immediate=60"

/* "1234" or "1234_7" of "slurm-1234_7.0.1"; 0 if `job_id` is none of Slurm's. */
static int native(const char *job_id, char *ret, size_t size)
{
    if (strncmp(job_id, "slurm-", 6) != 0 || !isdigit((unsigned char)job_id[6]))
        return 0;
    size_t n = strspn(job_id + 6, "0123456789_");
    return (job_id[6 + n] == '\0' || job_id[6 + n] == '.') &&
           snprintf(ret, size, "%.*s", (int)n, job_id + 6) < (int)size;
}

int slurm_owns(const char *job_id)
{
    char job[64];
    return native(job_id, job, sizeof(job));
}

int slurm_ask_number(const char *job, struct slurm_queued *ret, struct bv_error *err)
{
    autocommand struct bv_command_result r = {0};
    char *argv[] = {(char *)"squeue",
                    (char *)"--noheader",
                    (char *)"--states=all",
                    (char *)"--jobs",
                    (char *)job,
                    (char *)"--format=%T %A %N",
                    NULL};
    struct slurm_queued q = {0};
    char complaint[512];
    if (bv_command_run(argv[0], argv, SLURM_COMMAND_TIMEOUT, &r, err) < 0)
        return -1;
    if (r.status != 0 || sscanf(r.out, "%31s %31s %255s", q.state, q.number, q.nodes) < 2) {
        bv_command_complaint(&r, complaint, sizeof(complaint));
        return bv_fail(err, BV_ENOJOB, 0, "Slurm does not know job %s: %s", job, complaint);
    }
    *ret = q;
    return 0;
}

int slurm_ask_queue(const char *job_id, struct slurm_queued *ret, struct bv_error *err)
{
    char job[64];
    if (!native(job_id, job, sizeof(job)))
        return bv_fail(err, BV_ENOJOB, 0, "%s is no job of Slurm", job_id);
    return slurm_ask_number(job, ret, err);
}

int slurm_reach(const char *job_id, char ***ret_argv, struct bv_error *err)
{
    struct slurm_queued q;
    if (slurm_ask_queue(job_id, &q, err) < 0)
        return -1;
    if (strcmp(q.state, "RUNNING") != 0)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s is not running: for Slurm it is %s", job_id, q.state);
    char **argv = bv_alloc(10 * sizeof(char *));
    argv[0] = bv_strdup("srun");
    argv[1] = bv_asprintf("--jobid=%s", q.number);
    argv[2] = bv_strdup("--overlap");
    argv[3] = bv_strdup("--nodes=1");
    argv[4] = bv_strdup("--ntasks=1");
    argv[5] = bv_strdup("--quiet");
    argv[6] = bv_strdup(STEP_WAIT);
    argv[7] = bv_strdup("--mpi=none");
    argv[8] = bv_strdup("--input=none");
    *ret_argv = argv;
    return 0;
}

int slurm_control(char *const *argv, struct bv_error *err)
{
    autocommand struct bv_command_result r = {0};
    char complaint[512];
    if (bv_command_run(argv[0], argv, SLURM_COMMAND_TIMEOUT, &r, err) < 0)
        return -1;
    if (r.status == 0)
        return 0;
    bv_command_complaint(&r, complaint, sizeof(complaint));
    return bv_fail(err, BV_EINTERNAL, 0, "%s", complaint);
}

static int requeue(const char *number, struct bv_error *err)
{
    char *argv[] = {(char *)"scontrol", (char *)"requeue", (char *)number, NULL};
    return slurm_control(argv, err);
}

/* Elsewhere Slurm would let the job wait until the node where it was has forgotten it. */
static int place(const char *number, const char *to, const char *from, struct bv_error *err)
{
    autofree char *job = bv_asprintf("JobId=%s", number);
    autofree char *wanted = bv_asprintf("ReqNodeList=%s", to ? to : "");
    autofree char *unwanted = bv_asprintf("ExcNodeList=%s", to ? "" : from);
    autofree char *constraint = NULL, *features = NULL;
    if (slurm_constraint(number, from, &constraint, err) < 0)
        return -1;
    char *argv[8] = {(char *)"scontrol", (char *)"update", job, wanted, unwanted};
    size_t n = 5;
    if (!to || strcmp(to, from) != 0)
        argv[n++] = (char *)"StartTime=now";
    if (constraint)
        argv[n++] = features = bv_asprintf("Features=%s", constraint);
    return slurm_control(argv, err);
}

int slurm_is_over(const char *state)
{
    static const char *const over[] = {"FAILED", "COMPLETED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"};
    for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++)
        if (strcmp(state, over[i]) == 0)
            return 1;
    return 0;
}

int slurm_move(const char *job_id, const char *from, const char *to, double timeout, struct bv_error *err)
{
    struct slurm_queued q = {0};
    struct bv_deadline deadline = bv_deadline_in(timeout);
    struct bv_error last = {0};
    int asked = 0;
    /* Between the end of the attempt and the job's place in the queue pass some seconds, in which it cannot be changed.
     */
    while (!bv_deadline_passed(deadline)) {
        if (slurm_ask_queue(job_id, &q, err) < 0)
            return -1;
        if (strcmp(q.state, "PENDING") == 0 && place(q.number, to, from, &last) == 0)
            return 0;
        if (slurm_is_over(q.state) && !asked++ && requeue(q.number, &last) < 0)
            return bv_fail(err, last.code, 0,
                           "Slurm has not requeued job %s (is RequeueExit=85 in slurm.conf?), and does not now: %s",
                           job_id, last.text);
        nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL);
    }
    return bv_fail(err, BV_ETIMEOUT, 0, "job %s could not be given another node: %s", job_id,
                   last.code ? last.text : q.state);
}
