/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/msg.h"

#define PATIENCE 10 /* s; the child makes a handful of system calls */

static int open_namespace(int procfd, pid_t pid, const char *kind)
{
    char name[48];
    snprintf(name, sizeof(name), "%d/ns/%s", (int)pid, kind);
    return openat(procfd, name, O_RDONLY | O_CLOEXEC);
}

/* 1 if the open namespace is our own, 0 if not, -1 with errno. */
static int is_ours(int fd, const char *kind)
{
    char name[48];
    struct stat ours, theirs;
    snprintf(name, sizeof(name), "/proc/self/ns/%s", kind);
    if (stat(name, &ours) < 0 || fstat(fd, &theirs) < 0)
        return -1;
    return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

struct request {
    int ns, user; /* to enter; user is -1 if we are in it */
    int (*open_it)(const void *arg);
    const void *arg;
};

/* Run in the child. Returns its exit status: an errno. */
static int hand_over(int channel, const struct request *r)
{
    if (r->user >= 0 && setns(r->user, CLONE_NEWUSER) < 0)
        return errno;
    if (setns(r->ns, 0) < 0)
        return errno;
    autoclose int fd = r->open_it(r->arg);
    if (fd < 0)
        return errno;
    autojson json_t *empty = json_object();
    return bv_msg_send(channel, empty, &fd, 1, bv_deadline_in(PATIENCE), NULL) < 0 ? EIO : 0;
}

static int ask_child(const struct request *r)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    autoclose int mine = pair[0], theirs = pair[1];

    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0)
        _exit(hand_over(theirs, r));
    close_fd(&theirs);

    automsg struct bv_msg msg = {.fd_count = 0};
    int got = bv_msg_recv(mine, &msg, bv_deadline_in(PATIENCE), NULL);
    int status = 0;
    if (got < 0)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (got == 1 && msg.fd_count == 1)
        return bv_msg_take_fd(&msg, 0);
    errno = WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EIO;
    return -1;
}

int bv_open_inside(int procfd, pid_t pid, const char *kind, int (*open_it)(const void *arg), const void *arg)
{
    autoclose int ns = open_namespace(procfd, pid, kind);
    int ours = ns < 0 ? -1 : is_ours(ns, kind);
    if (ours < 0)
        return -1;
    if (ours)
        return open_it(arg);

    autoclose int user = open_namespace(procfd, pid, "user");
    ours = user < 0 ? -1 : is_ours(user, "user");
    if (ours < 0)
        return -1;
    return ask_child(&(struct request){.ns = ns, .user = ours ? -1 : user, .open_it = open_it, .arg = arg});
}
