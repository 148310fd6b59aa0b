/* SPDX-License-Identifier: Apache-2.0 */
#include "base/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

struct reader {
    int fd;
    char *text;
    size_t size;
};

/* 0 when there is no more to come. */
static int read_some(struct reader *r)
{
    char buf[4096];
    ssize_t n = read(r->fd, buf, sizeof(buf));
    if (n <= 0)
        return 0;
    if (r->size + (size_t)n <= BV_COMMAND_OUTPUT_MAX) {
        r->text = bv_realloc(r->text, r->size + (size_t)n + 1, 1);
        memcpy(r->text + r->size, buf, (size_t)n);
        r->size += (size_t)n;
        r->text[r->size] = '\0';
    }
    return 1;
}

/* Both outputs until their ends. -1 at the deadline. */
static int read_all(struct reader readers[2], struct bv_deadline deadline)
{
    while (readers[0].fd >= 0 || readers[1].fd >= 0) {
        struct pollfd fds[2] = {{.fd = readers[0].fd, .events = POLLIN}, {.fd = readers[1].fd, .events = POLLIN}};
        if (poll(fds, 2, bv_deadline_ms(deadline)) < 0 && errno != EINTR)
            return -1;
        if (bv_deadline_passed(deadline))
            return -1;
        for (int i = 0; i < 2; i++)
            if (fds[i].revents && !read_some(&readers[i]))
                close_fd(&readers[i].fd);
    }
    return 0;
}

/* One that has closed its outputs need not have ended. -1 at the deadline. */
static int await_end(pid_t pid, struct bv_deadline deadline)
{
    int ready;
    autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    do
        ready = poll(&p, 1, bv_deadline_ms(deadline));
    while (ready < 0 && errno == EINTR);
    return ready == 1 ? 0 : -1;
}

static int start(const char *file, char *const *argv, int out, int errfd, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, errfd, 2);
    int rc = posix_spawnp(ret, file, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

int bv_command_run(const char *file, char *const *argv, double timeout, struct bv_command_result *ret,
                   struct bv_error *err)
{
    struct reader readers[2] = {{.fd = -1}, {.fd = -1}};
    struct bv_deadline deadline = bv_deadline_in(timeout);
    int out[2], errs[2], status;
    pid_t pid;
    if (pipe2(out, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    autoclose int out_w = out[1];
    readers[0].fd = out[0];
    if (pipe2(errs, O_CLOEXEC) < 0) {
        close_fd(&readers[0].fd);
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    }
    autoclose int err_w = errs[1];
    readers[1].fd = errs[0];
    int failed = start(file, argv, out_w, err_w, &pid);
    close_fd(&out_w);
    close_fd(&err_w);
    int late = !failed && (read_all(readers, deadline) < 0 || await_end(pid, deadline) < 0);
    close_fd(&readers[0].fd);
    close_fd(&readers[1].fd);
    if (!failed && late)
        kill(pid, SIGKILL);
    while (!failed && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    struct bv_command_result r = {.out = readers[0].text, .err = readers[1].text};
    if (failed || late) {
        bv_command_free(&r);
        return failed ? bv_fail(err, failed == ENOENT ? BV_ENOCMD : BV_EINTERNAL, failed, "cannot run %s", argv[0])
                      : bv_fail(err, BV_ETIMEOUT, 0, "%s took longer than %.0f s", argv[0], timeout);
    }
    r.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    r.out = r.out ? r.out : bv_strdup("");
    r.err = r.err ? r.err : bv_strdup("");
    *ret = r;
    return 0;
}

void bv_command_free(struct bv_command_result *r)
{
    free(r->out);
    free(r->err);
    *r = (struct bv_command_result){0};
}

void bv_command_complaint(const struct bv_command_result *r, char *ret, size_t size)
{
    const char *text = r->err && *r->err ? r->err : r->out ? r->out : "";
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    size_t begin = n;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    snprintf(ret, size, "%.*s", (int)(n - begin), text + begin);
    for (char *c = ret; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}
