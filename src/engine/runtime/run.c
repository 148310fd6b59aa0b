/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/mem.h"
#include "engine/runtime/runtime.h"

/* A runtime looks for criu along $PATH, and batch jobs often have one without sbin. */
static void widen_path(void)
{
    const char *path = getenv("PATH");
    autofree char *wide = bv_asprintf("%s:/usr/local/sbin:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
    setenv("PATH", wide, 1);
}

static void become(const struct runtime_run *r, int said)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (r->said) {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null < 0 || dup2(null, 0) < 0 || dup2(said, 1) < 0 || dup2(said, 2) < 0)
            _exit(126);
    }
    /* As a slave: the host's mounts stay those from which the container gets later ones. */
    if (r->own_mounts && (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0))
        _exit(126);
    if (chdir(r->cwd) < 0)
        _exit(126);
    widen_path();
    execvp(r->argv[0], (char *const *)r->argv);
    _exit(127);
}

/* Keep the end of what comes. */
static void listen_to(int fd, struct runtime_run *r, size_t *used)
{
    char piece[4096];
    ssize_t n = read(fd, piece, sizeof(piece));
    for (ssize_t i = 0; i < n; i++) {
        if (*used + 1 == r->said_room) {
            memmove(r->said, r->said + r->said_room / 2, *used - r->said_room / 2);
            *used -= r->said_room / 2;
        }
        r->said[(*used)++] = piece[i];
    }
}

/* Until it ends: what it has started may hold its standard files for longer. */
static int watch(struct runtime_run *r, int pidfd, int said, struct bv_error *err)
{
    size_t used = 0;
    struct bv_deadline end = bv_deadline_in(r->timeout);
    int rc = 0;
    for (int ended = 0; !ended;) {
        struct pollfd p[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = said, .events = POLLIN}};
        int n = poll(p, 2, r->timeout > 0 ? bv_deadline_ms(end) : -1);
        if (n < 0 && errno != EINTR)
            return bv_fail(err, BV_EINTERNAL, errno, "poll");
        if (n == 0)
            return bv_fail(err, BV_ETIMEOUT, 0, "%s %s did not end within %.0f s", r->argv[0],
                           r->argv[1] ? r->argv[1] : "", r->timeout);
        ended = n > 0 && p[0].revents;
        if (n > 0 && (p[1].revents & POLLIN))
            listen_to(said, r, &used);
        else if (n > 0 && p[1].revents)
            said = -1;
    }
    struct pollfd rest = {.fd = said, .events = POLLIN};
    while (said >= 0 && poll(&rest, 1, 0) > 0 && (rest.revents & POLLIN) && used + 1 < r->said_room) {
        size_t before = used;
        listen_to(said, r, &used);
        if (used == before)
            break;
    }
    if (r->said) {
        while (used > 0 && (unsigned char)r->said[used - 1] <= ' ')
            used--;
        r->said[used] = '\0';
    }
    return rc;
}

int runtime_run(const struct runtime_run *how, int *ret_status, struct bv_error *err)
{
    struct runtime_run r = *how;
    int ends[2] = {-1, -1}, status = 0;
    if (r.said && pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    autoclose int in = ends[0];
    autoclose int out = ends[1];
    pid_t pid = bv_fork();
    if (pid == 0)
        become(&r, out);
    if (pid < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot start %s", r.argv[0]);
    close_fd(&out);
    autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int rc = pidfd < 0 ? bv_fail(err, BV_EINTERNAL, errno, "pidfd_open") : watch(&r, pidfd, in, err);
    if (rc < 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc < 0)
        return -1;
    /* A runtime that is there may end so too, but tells why. */
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && !(r.said && r.said[0]))
        return bv_fail(err, BV_ENOENGINE, 0, "%s is not installed", r.argv[0]);
    *ret_status = status;
    return 0;
}
