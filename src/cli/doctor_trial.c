/* SPDX-License-Identifier: Apache-2.0 */
/* Everything at once: a program of ours is run, checkpointed, ended and restarted by the commands that a user would
 * type, in a store that is then removed. */
#include "cli/doctor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "job/runtime.h"

#define STEP_TIMEOUT   60  /* s for each step; they take less than one */
#define PROGRAM_LIMIT  600 /* s after which the program gives up by itself */
#define PROGRAM_STATUS 42
#define JOB            "doctor"
#define TRIAL_ROOM     (8 << 20) /* bytes; it takes half of them */
#define LOG            "log"
#define LOG_TAIL       1000 /* bytes of it that are told */

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* --- the program --- */

static int exists(int dir, const char *name)
{
    return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int touch(int dir, const char *name)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    return close(fd);
}

/* Send a datagram to ourselves and get it back. */
static int echo(int sock, const struct sockaddr_in *self)
{
    char got[8] = {0};
    struct pollfd p = {.fd = sock, .events = POLLIN};
    return sendto(sock, "bivouac", 8, 0, (const struct sockaddr *)self, sizeof(*self)) == 8 && poll(&p, 1, 5000) == 1 &&
                   recv(sock, got, sizeof(got), 0) == 8 && strcmp(got, "bivouac") == 0
               ? 0
               : -1;
}

int doctor_trial_program(const char *directory)
{
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(self);
    autoclose int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclose int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (dir < 0 || sock < 0 || bind(sock, (struct sockaddr *)&self, sizeof(self)) < 0 ||
        getsockname(sock, (struct sockaddr *)&self, &size) < 0 || echo(sock, &self) < 0 || touch(dir, "ready") < 0)
        return 1;

    struct bv_deadline deadline = bv_deadline_in(PROGRAM_LIMIT);
    while (!exists(dir, "go"))
        if (bv_deadline_passed(deadline))
            return 1;
        else
            nap();
    return echo(sock, &self) < 0 ? 2 : PROGRAM_STATUS;
}

/* --- the one who tries it --- */

struct trial_run {
    char self[PATH_MAX];
    char *base; /* directory of everything: store, log, and what the program needs */
    int dir;
    pid_t supervisor; /* 0 = none */
};

static pid_t spawn(const struct trial_run *t, const char *const *argv)
{
    autoclose int log = openat(t->dir, LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return bv_child_start(&(struct bv_child){.path = t->self, .argv = argv, .dir = -1, .out = -1, .err = log});
}

static int fail_status(struct bv_error *err, enum bv_code code, const char *what, int status)
{
    if (status < 0)
        return bv_fail(err, BV_ETIMEOUT, 0, "%s did not end within %d s", what, STEP_TIMEOUT);
    return bv_fail(err, code, 0, "%s ended with status %d", what, status);
}

/* Until the program has made its socket; the supervisor may fail before that. */
static int await_ready(struct trial_run *t, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(STEP_TIMEOUT);
    while (!exists(t->dir, "ready")) {
        int status;
        if (waitpid(t->supervisor, &status, WNOHANG) == t->supervisor) {
            t->supervisor = 0;
            return fail_status(err, BV_EHOST, "bivouac run", bv_child_status(status));
        }
        if (bv_deadline_passed(deadline))
            return bv_fail(err, BV_ETIMEOUT, 0, "the program did not start within %d s", STEP_TIMEOUT);
        nap();
    }
    return 0;
}

static int await_supervisor(struct trial_run *t)
{
    pid_t pid = t->supervisor;
    t->supervisor = 0;
    return bv_child_wait(pid, STEP_TIMEOUT); /* its capsule goes with it */
}

static int try_all(struct trial_run *t, struct bv_error *err)
{
    autofree char *store = bv_asprintf("%s/store", t->base);
    const char *run[] = {t->self, "run", "--job", JOB, "--store", store, "--", t->self, "doctor", DOCTOR_TRIAL_OPTION,
                         t->base, NULL};
    const char *checkpoint[] = {t->self, "checkpoint", "--kill", "--timeout", "45", "--store", store, JOB, NULL};
    const char *restart[] = {t->self, "restart", "--store", store, JOB, NULL};

    if ((t->supervisor = spawn(t, run)) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot fork");
    if (await_ready(t, err) < 0)
        return -1;
    int status = bv_child_wait(spawn(t, checkpoint), STEP_TIMEOUT);
    if (status != 0)
        return fail_status(err, BV_EENGINE, "bivouac checkpoint", status);
    status = await_supervisor(t);
    if (status != BV_CHECKPOINTED)
        return fail_status(err, BV_EENGINE, "bivouac run, when its job was checkpointed,", status);

    if (touch(t->dir, "go") < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a file");
    if ((t->supervisor = spawn(t, restart)) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot fork");
    status = await_supervisor(t);
    return status == PROGRAM_STATUS ? 0 : fail_status(err, BV_ERESTORE, "bivouac restart", status);
}

/* What the commands said, on one line. */
static void add_log(const struct trial_run *t, struct bv_error *err)
{
    autofree char *log = NULL;
    size_t size = 0, used = strlen(err->text);
    if (bv_read_file(t->dir, LOG, 1 << 20, &log, &size, NULL) < 0 || size == 0)
        return;
    const char *tail = log + (size > LOG_TAIL ? size - LOG_TAIL : 0);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", tail);
    for (char *p = err->text + used; *p; p++)
        if (*p == '\n')
            *p = p[1] ? ';' : '\0';
}

/* The runtime directory is ours alone, and short. */
static int prepare(struct trial_run *t, struct bv_error *err)
{
    autofree char *runtime = NULL;
    ssize_t n = readlink("/proc/self/exe", t->self, sizeof(t->self) - 1);
    if (n < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot find our own program");
    t->self[n] = '\0';
    if (bv_runtime_dir(&runtime, err) < 0)
        return -1;
    struct statvfs fs;
    if (statvfs(runtime, &fs) == 0 && fs.f_blocks > 0 && fs.f_bavail * fs.f_frsize < TRIAL_ROOM)
        return bv_fail(
            err, BV_ENOSPACE, 0,
            "%s has not the %d MiB of room that a small job needs: make room, or name another directory with "
            "BIVOUAC_RUNTIME_DIR",
            runtime, TRIAL_ROOM >> 20);
    t->base = bv_asprintf("%s/doctor-XXXXXX", runtime);
    if (!mkdtemp(t->base))
        return bv_fail(err, BV_EHOST, errno, "cannot create a directory in %s", runtime);
    t->dir = open(t->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return t->dir < 0 ? bv_fail(err, BV_EHOST, errno, "cannot open %s", t->base) : 0;
}

static void clean(struct trial_run *t)
{
    if (t->supervisor > 0) {
        kill(t->supervisor, SIGKILL);
        waitpid(t->supervisor, NULL, 0);
    }
    close_fd(&t->dir);
    if (t->base)
        bv_remove_tree(AT_FDCWD, t->base, NULL);
    free(t->base);
}

void doctor_trial(struct doctor *d)
{
    struct bv_error err = {0};
    struct trial_run t = {.dir = -1};
    int rc = prepare(&t, &err);
    if (rc == 0) {
        rc = try_all(&t, &err);
        if (rc < 0)
            add_log(&t, &err);
    }
    clean(&t);
    if (rc == 0)
        doctor_say(d, DOCTOR_OK, BV_OK, "self-test", NULL,
                   "a program with a UDP socket was checkpointed, ended, restarted, and ended as it should");
    else
        doctor_say(d, DOCTOR_FAIL, err.code, "self-test", NULL, "%s", err.text);
}
