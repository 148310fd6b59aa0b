/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt of a rehearsal, and its checkpoints. */
#include "cli/rehearse.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/fork.h"
#include "base/interrupt.h"
#include "base/io.h"
#include "base/mem.h"
#include "job/client.h"
#include "store/attempt.h"

#define CHECKPOINT_TIMEOUT 180.0 /* s */
#define REAP_TIMEOUT       30.0  /* s until a killed capsule is gone; the kernel does it in milliseconds */

/* How an attempt ended, through a pipe. */
struct report {
    struct bv_outcome outcome;
    struct bv_error failure; /* code != 0: Bivouac could not run it */
};

int rehearse_nap(struct rehearsal *r, struct bv_error *err)
{
    int number = bv_interrupt_nap(10000000);
    if (number)
        r->interrupted = number;
    if (r->interrupted)
        return bv_fail(err, BV_EINTERNAL, 0, "interrupted by the signal %s", strsignal(r->interrupted));
    if (bv_deadline_passed(r->deadline))
        return bv_fail(err, BV_ETIMEOUT, 0,
                       "the rehearsal did not end within %.0f s: take a shorter case, or a longer --timeout",
                       r->options->timeout);
    return 0;
}

/* A regular file is read from its start in each run; anything else cannot be read twice. */
static int open_input(void)
{
    struct stat st;
    int fd = -1;
    if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        fd = open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int set_up(const struct rehearsal *r, struct bv_error *err)
{
    autoclose int in = open_input();
    autoclose int io = openat(r->scratch.dirfd, "io", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclose int out = openat(io, "stdout", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    autoclose int errors = openat(io, "stderr", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (in < 0 || out < 0 || errors < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(errors, 2) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open the job's standard files in %s", r->scratch.path);
    if (chdir(r->spec.cwd) < 0)
        return bv_fail(err, BV_ENODIR, errno, "cannot enter %s", r->spec.cwd);
    bv_scratch_sockets(&r->scratch);
    /* The only directory for temporary files that it can write to. */
    return setenv("TMPDIR", "/tmp", 1);
}

static void attempt_main(const struct rehearsal *r, int report)
{
    struct report end = {0};
    setsid(); /* the keys of the user's terminal are for us */
    sigprocmask(SIG_SETMASK, &r->mask, NULL);
    struct bv_supervise_options o = {
        .settings = &r->settings,
        .job_id = REHEARSE_JOB,
        .spec = (struct bv_spec *)&r->spec,
        .protect = 1,
        .quiet = 1,
    };
    if (set_up(r, &end.failure) == 0)
        bv_supervise(&o, &end.outcome, &end.failure);
    _exit(bv_write_full(report, &end, sizeof(end)) < 0);
}

int rehearse_start(struct rehearsal *r, struct rehearse_attempt *ret, struct bv_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    pid_t pid = bv_fork();
    if (pid == 0)
        attempt_main(r, ends[1]);
    int saved = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return bv_fail(err, BV_EINTERNAL, saved, "cannot fork");
    }
    *ret = (struct rehearse_attempt){.pid = pid, .report = ends[0]};
    return 0;
}

int rehearse_ended(struct rehearse_attempt *a, struct bv_outcome *ret, struct bv_error *failure)
{
    struct report end;
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)a->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
        return 0;
    if (bv_read_full(a->report, &end, sizeof(end)) != sizeof(end)) {
        end = (struct report){0};
        bv_fail(&end.failure, BV_EINTERNAL, 0, "the supervisor of the rehearsed job was killed");
    }
    rehearse_crash(a);
    *ret = end.outcome;
    *failure = end.failure;
    return 1;
}

void rehearse_crash(struct rehearse_attempt *a)
{
    if (a->pid <= 0)
        return;
    kill(a->pid, SIGKILL);
    /* Its capsule becomes ours to reap, and is reaped when nothing is left in it. */
    bv_child_wait_all(REAP_TIMEOUT);
    close_fd(&a->report);
    a->pid = 0;
}

/* --- a checkpoint, asked for by a child: it takes its time, and we must be able to end --- */

static int ask(const struct rehearsal *r, int kill_it, json_t **ret, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    struct bv_attempt_info last;
    if (bv_store_open(r->store, 0, &store, err) < 0 || bv_job_open(&store, REHEARSE_JOB, &job, err) < 0)
        return -1;
    int got = bv_attempt_last(&job, &last, err);
    if (got <= 0)
        return got < 0 ? -1 : bv_fail(err, BV_ENOTRUNNING, 0, "the job is not running yet");
    autojson json_t *request =
        json_pack("{s:s, s:s, s:f, s:s}", "op", "checkpoint", "leave", kill_it ? "dead" : "running", "timeout",
                  CHECKPOINT_TIMEOUT, "reason", "rehearse");
    struct bv_client_call_options how = {.timeout = CHECKPOINT_TIMEOUT + 60};
    int rc = bv_client_call(REHEARSE_JOB, &last, request, &how, ret, err);
    bv_attempt_info_free(&last);
    return rc;
}

/* The answer goes into a file; one that cannot be written is none. */
static void asker_main(const struct rehearsal *r, int kill_it, int file)
{
    struct bv_error err = {0};
    json_t *answer = NULL;
    if (ask(r, kill_it, &answer, &err) < 0)
        answer = json_pack("{s:i, s:o}", "code", (int)err.code, "text", bv_json_bytes(err.text));
    _exit(!answer || json_dumpfd(answer, file, 0) < 0);
}

static int await_child(struct rehearsal *r, pid_t pid, struct bv_error *err)
{
    for (;;) {
        pid_t got = waitpid(pid, NULL, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR))
            return 0;
        if (rehearse_nap(r, err) < 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            return -1;
        }
    }
}

/* Returns 0 with the supervisor's answer: a result, or an object with "code" and "text". */
static int ask_once(struct rehearsal *r, int kill_it, json_t **ret, struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size = 0;
    autoclose int file = openat(r->scratch.dirfd, "answer", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create a file in %s", r->scratch.path);
    pid_t pid = bv_fork();
    if (pid == 0)
        asker_main(r, kill_it, file);
    if (pid < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot fork");
    if (await_child(r, pid, err) < 0 || bv_read_file(r->scratch.dirfd, "answer", BV_MSG_MAX, &text, &size, err) < 0 ||
        bv_json_parse(text, size, ret, err) < 0)
        return -1;
    return 0;
}

/* A job that is still being started, and may be making its store, is asked again. */
static int is_not_there_yet(int code)
{
    return code == BV_ENOJOB || code == BV_ESTORE || code == BV_EBUSY || code == BV_ENOTRUNNING;
}

static int has_ended(const struct rehearse_attempt *a)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)a->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != 0;
}

/* Ask until the job has been started. *ret is NULL when it had ended before. */
static int ask_until_there(struct rehearsal *r, const struct rehearse_attempt *a, int kill_it, json_t **ret,
                           struct bv_error *err)
{
    for (;;) {
        autojson json_t *answer = NULL;
        int ended = has_ended(a); /* before we ask: then what it answers is about the end */
        if (ask_once(r, kill_it, &answer, err) < 0)
            return -1;
        int code = (int)json_integer_value(json_object_get(answer, "code"));
        int over = code != 0 && (ended || code == BV_EENDED);
        if (over || !is_not_there_yet(code)) {
            *ret = over ? NULL : steal_ptr(&answer);
            return 0;
        }
        if (rehearse_nap(r, err) < 0)
            return -1;
    }
}

int rehearse_checkpoint(struct rehearsal *r, struct rehearse_attempt *a, int kill_it, json_t **ret,
                        struct bv_error *err)
{
    autojson json_t *answer = NULL, *again = NULL;
    if (ask_until_there(r, a, kill_it, &answer, err) < 0)
        return -1;
    int code = (int)json_integer_value(json_object_get(answer, "code"));
    if (code == 0) {
        *ret = steal_ptr(&answer);
        return 0;
    }
    /* What the job did between the preflight and the freeze, only a second preflight can explain. */
    if (code == BV_EENGINE && ask_until_there(r, a, 0, &again, err) < 0)
        return -1;
    const json_t *best = json_object_get(again, "code") ? again : answer;
    autofree char *text = NULL;
    if (bv_json_get_bytes(best, "text", &text, err) < 0)
        return -1;
    return bv_fail(err, (enum bv_code)json_integer_value(json_object_get(best, "code")), 0, "%s", text);
}
