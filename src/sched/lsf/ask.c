/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/lsf/ask.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#define SAID_MAX 65536

static void exec_command(const char *const *argv, int out)
{
    const char *bin = getenv("LSF_BINDIR");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
        _exit(BV_EINTERNAL);
    if (bin && bin[0] == '/') {
        autofree char *path = bv_asprintf("%s/%s", bin, argv[0]);
        execv(path, (char *const *)argv);
    } else {
        execvp(argv[0], (char *const *)argv);
    }
    _exit(errno == ENOENT ? BV_ENOCMD : BV_ENOEXEC);
}

/* Until the end of file, or the deadline. What does not fit is thrown away. Returns -1 at the deadline. */
static int read_all(int fd, char *text, struct bv_deadline deadline)
{
    size_t n = 0;
    char rest[4096];
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, bv_deadline_ms(deadline));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return -1;
        ssize_t got = n < SAID_MAX ? read(fd, text + n, SAID_MAX - n) : read(fd, rest, sizeof(rest));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (n < SAID_MAX)
            n += (size_t)got;
    }
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    text[n] = '\0';
    return 0;
}

int bv_lsf_command(const char *const *argv, double timeout, char **ret, struct bv_error *err)
{
    int ends[2], status = 0;
    autofree char *text = bv_alloc(SAID_MAX + 1);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    pid_t pid = fork();
    if (pid == 0)
        exec_command(argv, ends[1]);
    close(ends[1]);
    autoclose int in = ends[0];
    if (pid < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot fork");
    int late = read_all(in, text, bv_deadline_in(timeout)) < 0;
    if (late)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (late)
        return bv_fail(err, BV_ETIMEOUT, 0, "%s has not answered for %.0f s", argv[0], timeout);
    if (WIFEXITED(status) && WEXITSTATUS(status) == BV_ENOCMD)
        return bv_fail(err, BV_ENOCMD, 0, "cannot find %s (LSF_BINDIR, PATH)", argv[0]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        text[strcspn(text, "\n")] = '\0';
        return bv_fail(err, BV_EINTERNAL, 0, "%s failed: %.512s", argv[0], text);
    }
    *ret = steal_ptr(&text);
    return 0;
}

/* " RUNLIMIT" stands over "  60.0 min of hosta", alone or as the first of several columns. */
unsigned bv_lsf_run_limit(const char *bjobs)
{
    const char *at = bjobs;
    while ((at = strstr(at, "RUNLIMIT")) != NULL) {
        const char *line = at;
        while (line > bjobs && line[-1] != '\n')
            line--;
        size_t blanks = strspn(line, " \t");
        const char *below = strchr(at, '\n');
        at += strlen("RUNLIMIT");
        char *end;
        if (line + blanks + strlen("RUNLIMIT") != at || !below)
            continue;
        below += 1 + strspn(below + 1, " \t");
        double minutes = *below >= '0' && *below <= '9' ? strtod(below, &end) : 0;
        if (minutes > 0 && minutes < 1e8 && strncmp(end, " min", 4) == 0)
            return (unsigned)minutes + ((double)(unsigned)minutes < minutes);
    }
    return 0;
}

unsigned long long bv_lsf_submitted(const char *brestart)
{
    const char *at = brestart;
    while ((at = strstr(at, "Job <")) != NULL) {
        at += strlen("Job <");
        char text[BV_LSF_ID_TEXT] = "";
        struct bv_lsf_id id;
        size_t n = strcspn(at, ">");
        if (n >= sizeof(text) || strncmp(at + n, "> is submitted", strlen("> is submitted")) != 0)
            continue;
        memcpy(text, at, n);
        if (bv_lsf_id_parse(text, &id, NULL) == 0)
            return id.job;
    }
    return 0;
}
