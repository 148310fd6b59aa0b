/* SPDX-License-Identifier: Apache-2.0 */
/* bivouac-slurm-watch JOBID: tells a supervisor, on descriptor 3, what Slurm plans to do with job JOBID: when it will
 * be ended, that it is preempted, that its node is drained. The only program of ours that links libslurm, which may
 * block, changes with each release of Slurm, and is not there everywhere: the supervisor does without it.
 *
 * BIVOUAC_SLURM_POLL: seconds between two questions (default 30). BIVOUAC_SLURM_DRAIN: ignore, checkpoint or stop. */
#include <stdint.h>
#include <sys/types.h>

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/msg.h"
#include "sched/slurm/watch/plan.h"

#define ADVICE_FD    3
#define POLL_USUAL   30.0 /* s */
#define SEND_TIMEOUT 10   /* s; a supervisor that makes a checkpoint may read late */
#define GRACE_AGE    600  /* s for which a partition's GraceTime is believed */

struct watch {
    uint32_t job;
    double usual;
    enum slurm_on_drain on_drain;
    struct slurm_told told;
    unsigned failures;
    double grace;
    time_t grace_asked; /* 0 = never */
};

/* The supervisor is gone, or does not want to hear any more. */
static void tell(json_t *message)
{
    struct bv_error err = {0};
    int rc = message ? bv_msg_send(ADVICE_FD, message, NULL, 0, bv_deadline_in(SEND_TIMEOUT), &err) : -1;
    json_decref(message);
    if (rc < 0 && err.code != BV_ETIMEOUT)
        _exit(0);
}

static void ask_grace(struct watch *w, const char *partition)
{
    partition_info_msg_t *all = NULL;
    time_t now = time(NULL);
    if (!partition || (w->grace_asked && now - w->grace_asked < GRACE_AGE))
        return;
    w->grace_asked = now;
    if (slurm_load_partitions(0, &all, SHOW_ALL) != SLURM_SUCCESS)
        return;
    for (uint32_t i = 0; i < all->record_count; i++) {
        const partition_info_t *p = &all->partition_array[i];
        if (p->name && strcmp(p->name, partition) == 0)
            w->grace = p->grace_time == NO_VAL || p->grace_time == INFINITE ? 0 : p->grace_time;
    }
    slurm_free_partition_info_msg(all);
}

static int is_draining(const char *node)
{
    node_info_msg_t *nodes = NULL;
    int draining = 0;
    if (!node || slurm_load_node_single(&nodes, (char *)node, SHOW_ALL) != SLURM_SUCCESS)
        return 0;
    for (uint32_t i = 0; i < nodes->record_count; i++)
        draining |= (nodes->node_array[i].node_state & NODE_STATE_DRAIN) != 0;
    slurm_free_node_info_msg(nodes);
    return draining;
}

/* 1 and *ret, 0 if the job is not running (any more, or not yet), -1 if Slurm does not answer. */
static int look(struct watch *w, struct slurm_view *ret)
{
    job_info_msg_t *jobs = NULL;
    int running = 0;
    if (slurm_load_job(&jobs, w->job, SHOW_ALL) != SLURM_SUCCESS)
        return -1;
    /* Of an array's first task it tells all tasks. */
    for (uint32_t i = 0; i < jobs->record_count; i++) {
        const job_info_t *j = &jobs->job_array[i];
        if (j->job_id != w->job || (j->job_state & JOB_STATE_BASE) != JOB_RUNNING)
            continue;
        running = 1;
        ask_grace(w, j->partition);
        *ret = (struct slurm_view){
            .end_time = j->end_time, .preempt_time = j->preempt_time, .draining = is_draining(j->batch_host)};
    }
    slurm_free_job_info_msg(jobs);
    return running;
}

static void advise(struct watch *w, const struct slurm_view *v)
{
    int what = slurm_plan(v, w->on_drain, &w->told);
    time_t now = time(NULL);
    if (what & SLURM_TELL_DEADLINE)
        tell(v->end_time ? json_pack("{s:s, s:I, s:s}", "is", "deadline", "at", (json_int_t)v->end_time, "why", "limit")
                         : json_pack("{s:s, s:n, s:s}", "is", "deadline", "at", "why", "limit"));
    if (what & SLURM_TELL_PREEMPTED)
        tell(json_pack("{s:s, s:I, s:s}", "is", "stop", "grace",
                       (json_int_t)(v->end_time > now ? v->end_time - now : 0), "why", "preempt"));
    if (what & SLURM_TELL_DRAINED)
        tell(w->on_drain == SLURM_DRAIN_STOP ? json_pack("{s:s, s:i, s:s}", "is", "stop", "grace", 3600, "why", "drain")
                                             : json_pack("{s:s, s:s}", "is", "checkpoint", "why", "drain"));
}

static void ask_once(struct watch *w)
{
    struct slurm_view view;
    int got = look(w, &view);
    if (got > 0)
        advise(w, &view);
    if (got < 0 && w->failures++ == 0)
        tell(json_pack("{s:s, s:s}", "is", "note", "text",
                       "Slurm's controller does not answer: what it said last is what counts"));
    if (got >= 0)
        w->failures = 0;
}

static int init(struct watch *w, int argc, char **argv)
{
    const char *usual = getenv("BIVOUAC_SLURM_POLL"), *drain = getenv("BIVOUAC_SLURM_DRAIN");
    *w = (struct watch){.usual = POLL_USUAL, .on_drain = SLURM_DRAIN_CHECKPOINT};
    if (argc != 2 || (w->job = (uint32_t)strtoul(argv[1], NULL, 10)) == 0)
        return -1;
    if (usual && strtod(usual, NULL) >= 1)
        w->usual = strtod(usual, NULL);
    if (drain && strcmp(drain, "ignore") == 0)
        w->on_drain = SLURM_DRAIN_IGNORE;
    if (drain && strcmp(drain, "stop") == 0)
        w->on_drain = SLURM_DRAIN_STOP;
    /* Slurm signals every process of a job; this one ends with its supervisor and not before. */
    for (int number = 1; number < 32; number++)
        if (number == SIGHUP || number == SIGINT || number == SIGTERM || number == SIGUSR1 || number == SIGUSR2 ||
            number == SIGPIPE || number == SIGXCPU || number == SIGALRM)
            signal(number, SIG_IGN);
    srandom((unsigned)getpid() ^ (unsigned)time(NULL));
    return 0;
}

int main(int argc, char **argv)
{
    struct watch w;
    if (init(&w, argc, argv) < 0) {
        fputs("usage: bivouac-slurm-watch JOBID, with a supervisor at descriptor 3\n", stderr);
        return BV_EUSAGE;
    }
    /* libslurm logs what goes wrong; that is none of the output of the job. */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDERR_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        return BV_EINTERNAL;
    slurm_init(NULL);
    for (;;) {
        ask_once(&w);
        double pause = slurm_poll_pause(w.usual, w.grace, w.failures, (double)random() / ((double)RAND_MAX + 1));
        struct pollfd supervisor = {.fd = ADVICE_FD, .events = 0};
        if (poll(&supervisor, 1, (int)(pause * 1000)) > 0)
            return 0;
    }
}
