/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt of a job under HTCondor. The supervisor is a child, so that whatever becomes of it, the file is made. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/condor.h"
#include "cli/run.h"

#define RETRY_MAX  60.0 /* s until a checkpoint that failed is tried again, unless the interval is shorter */
#define ASKER_LEFT 5    /* s that a request may take when the job has ended */

struct attempt {
    struct cmd_condor *c;
    struct cmd_condor_end *end;
    pid_t supervisor, asker; /* 0 = none */
    int asked_again;         /* what asker asks for is the retry of a failure */
    int64_t next_ns;         /* when the next checkpoint is due, CLOCK_MONOTONIC */
    struct rusage usage;
};

/* --- the children --- */

/* What the supervisor's process says of the end, through a pipe. */
struct report {
    struct bv_outcome outcome;
    int is_failure, code;
    char text[512];
};

static void report(void *arg, const struct bv_outcome *outcome, const struct bv_error *err)
{
    struct report r = {.outcome = *outcome, .is_failure = err != NULL, .code = err ? (int)err->code : 0};
    if (err)
        snprintf(r.text, sizeof(r.text), "%s", err->text);
    /* Who reads it sees that it is missing. */
    if (bv_write_full(*(int *)arg, &r, sizeof(r)) < 0)
        bv_warn("cannot report how the job ended");
}

static char *quoted_seconds(double seconds)
{
    return bv_asprintf("%.0fs", seconds < 1 ? 1 : seconds);
}

/* The command line of "bivouac run". What the user says himself comes last, and counts. */
static char **run_line(const struct cmd_condor *c, int *ret_count)
{
    static const char *const left_alone[] = {BV_CONDOR_FILE "*", ".bivouac",      ".job.ad",   ".machine.ad",
                                             ".update.ad",       ".chirp.config", ".condor_*", "_condor_*",
                                             "condor_exec.exe",  "tmp/bivouac-*"};
    size_t n = 0, room = 64;
    for (char **o = c->options; *o; o++)
        room++;
    for (char **w = c->command; *w; w++)
        room++;
    char **line = bv_alloc(room * sizeof(*line));
#define PUT(text) line[n++] = bv_strdup(text)
    PUT("run");
    PUT("--job"), PUT(c->id);
    PUT("--store"), PUT(c->store);
    PUT("--chdir"), PUT(c->box);
    PUT("--capture"), PUT(c->box);
    for (size_t i = 0; i < sizeof(left_alone) / sizeof(left_alone[0]); i++)
        PUT("--no-capture"), PUT(left_alone[i]);
    PUT("--capture-limit"), PUT("1000T");
    PUT("--on-signal"), PUT("SIGTERM=checkpoint-and-stop");
    /* Half of the time is for the file. */
    PUT("--grace"), line[n++] = quoted_seconds(c->job.vacate / 2);
    if (c->job.network)
        PUT("--network"), PUT(c->job.network);
    if (c->job.disk)
        PUT("--quota-job"), line[n++] = bv_asprintf("%llu", (unsigned long long)c->job.disk);
    for (char **o = c->options; *o; o++)
        PUT(*o);
    PUT("--");
    for (char **w = c->command; *w; w++)
        PUT(*w);
#undef PUT
    *ret_count = (int)n;
    return line;
}

static void unblock_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int start_supervisor(struct attempt *a, int *ret_report, struct bv_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    a->supervisor = bv_fork();
    if (a->supervisor == 0) {
        int count;
        unblock_signals();
        char **line = run_line(a->c, &count);
        exit(cmd_run_how(&(struct cmd_run_how){.told = report, .told_arg = &ends[1]}, count, line));
    }
    close(ends[1]);
    *ret_report = ends[0];
    return a->supervisor < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot start the job's supervisor") : 0;
}

/* As "bivouac checkpoint --kill" does by hand: if it fails the job goes on. */
static void ask(struct attempt *a, const char *reason)
{
    if (a->asker > 0 || a->end->is_vacating)
        return;
    fflush(NULL);
    a->asker = bv_fork();
    if (a->asker != 0)
        return;
    unblock_signals();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        _exit(BV_EINTERNAL);
    char name[] = "checkpoint", kill_it[] = "--kill", store[] = "--store", why[] = "--reason";
    char *line[] = {name, kill_it, store, a->c->store, why, bv_strdup(reason), a->c->id, NULL};
    exit(bv_cmd_checkpoint(7, line));
}

/* --- what happens --- */

static int64_t after(double seconds)
{
    return bv_clock_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * (double)BV_NSEC_PER_SEC);
}

static void on_asked(struct attempt *a, int status)
{
    double interval = a->c->job.interval;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : BV_EINTERNAL;
    a->asker = 0;
    a->next_ns = after(interval < RETRY_MAX || code == 0 ? interval : RETRY_MAX);
    if (code == BV_ENOSPACE && a->c->job.disk)
        bv_warn(
            "the checkpoint does not fit into the %llu MiB of request_disk: ask for more in the submit file; the job goes on",
            (unsigned long long)(a->c->job.disk >> 20));
}

/* Returns whether the supervisor has ended. */
static int reap(struct attempt *a)
{
    int status, is_over = 0;
    struct rusage usage;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
        if (pid == a->asker)
            on_asked(a, status);
        if (pid != a->supervisor)
            continue;
        is_over = 1;
        a->usage = usage;
    }
    return is_over;
}

static void on_signal(struct attempt *a, int number)
{
    if (number == SIGUSR2) { /* CheckpointSig of PERIODIC_CHECKPOINT */
        ask(a, "request");
        return;
    }
    if (number == SIGTERM)
        a->end->is_vacating = 1;
    kill(a->supervisor, number);
}

static void watch(struct attempt *a, const sigset_t *all)
{
    a->next_ns = after(a->c->job.interval);
    for (;;) {
        int64_t left = a->next_ns - bv_clock_ns(CLOCK_MONOTONIC);
        if (left <= 0) {
            ask(a, "period");
            a->next_ns = after(a->c->job.interval);
            continue;
        }
        struct timespec wait = {.tv_sec = left / BV_NSEC_PER_SEC, .tv_nsec = left % BV_NSEC_PER_SEC};
        int number = sigtimedwait(all, NULL, &wait);
        if (number == SIGCHLD && reap(a))
            return;
        if (number > 0 && number != SIGCHLD)
            on_signal(a, number);
    }
}

/* It learns from the supervisor's end that there is no answer. */
static void end_asker(struct attempt *a, const sigset_t *all)
{
    int64_t limit = after(ASKER_LEFT);
    while (a->asker > 0 && bv_clock_ns(CLOCK_MONOTONIC) < limit) {
        sigtimedwait(all, NULL, &(struct timespec){.tv_nsec = BV_NSEC_PER_SEC / 10});
        reap(a);
    }
    if (a->asker > 0 && kill(a->asker, SIGKILL) == 0)
        waitpid(a->asker, NULL, 0);
}

static void read_report(struct attempt *a, int fd)
{
    struct report r;
    struct cmd_condor_end *end = a->end;
    if (bv_read_full(fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
        return;
    end->is_known = 1;
    end->is_failure = r.is_failure;
    end->outcome = r.outcome;
    end->code = (enum bv_code)r.code;
    snprintf(end->text, sizeof(end->text), "%s", r.text);
}

static void add_usage(struct bv_condor_head *h, const struct rusage *u)
{
    h->cpu_s += (double)u->ru_utime.tv_sec + (double)u->ru_stime.tv_sec +
                ((double)u->ru_utime.tv_usec + (double)u->ru_stime.tv_usec) / 1e6;
    if ((uint64_t)u->ru_maxrss > h->peak_kib)
        h->peak_kib = (uint64_t)u->ru_maxrss;
}

int cmd_condor_attempt(struct cmd_condor *c, struct cmd_condor_end *ret, struct bv_error *err)
{
    struct attempt a = {.c = c, .end = ret};
    sigset_t all;
    autoclose int from = -1;
    *ret = (struct cmd_condor_end){0};
    sigfillset(&all);
    if (start_supervisor(&a, &from, err) < 0)
        return -1;
    watch(&a, &all);
    end_asker(&a, &all);
    read_report(&a, from);
    add_usage(&c->head, &a.usage);
    return 0;
}
