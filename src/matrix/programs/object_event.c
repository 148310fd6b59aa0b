/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that tell of events. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matrix/programs/object.h"

static void counter(void)
{
    uint64_t n;
    int fd = have(eventfd(7, EFD_NONBLOCK), "make an eventfd");
    hold();
    row_check(read(fd, &n, sizeof(n)) == sizeof(n) && n == 7, "the eventfd does not count 7 any more");
    row_check(read(fd, &n, sizeof(n)) < 0, "the eventfd counts too much");
}

static void semaphore(void)
{
    uint64_t n = 0;
    int fd = have(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK), "make an eventfd");
    hold();
    row_check(read(fd, &n, sizeof(n)) == sizeof(n), "the eventfd counts nothing");
    row_check(n == 1, "the eventfd is no semaphore any more");
}

static void epoll(void)
{
    int ends[2];
    have(pipe(ends), "make a pipe");
    int fd = have(epoll_create1(0), "make an epoll");
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x1234567890};
    have(epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &e), "use an epoll");
    hold();
    row_check(epoll_wait(fd, &e, 1, 0) == 0, "the epoll tells of what has not happened");
    row_check(write(ends[1], "x", 1) == 1 && epoll_wait(fd, &e, 1, 10000) == 1, "the epoll tells of nothing");
    row_check(e.data.u64 == 0x1234567890, "the epoll tells of another thing");
    row_check(epoll_wait(fd, &e, 1, 0) == 0, "the epoll is not edge-triggered any more");
}

static void signal_descriptor(void)
{
    sigset_t set;
    struct signalfd_siginfo info;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = have(signalfd(-1, &set, SFD_NONBLOCK), "make a signalfd");
    kill(getpid(), SIGUSR1);
    hold();
    row_check(read(fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR1, "the pending signal is gone");
    kill(getpid(), SIGUSR1);
    row_check(read(fd, &info, sizeof(info)) == sizeof(info), "the signalfd does not tell of signals any more");
}

/* The name of the next event, "" if it has none. */
static const char *next_event(int fd, uint32_t *mask)
{
    static char buffer[4096] __attribute__((aligned(8)));
    const struct inotify_event *e = (const struct inotify_event *)buffer;
    row_check(is_readable(fd) && read(fd, buffer, sizeof(buffer)) > 0, "inotify tells of nothing");
    *mask = e->mask;
    return e->len ? e->name : "";
}

static void touch(const char *path)
{
    close(have(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), "create a file"));
}

static void inotify_watch(void)
{
    uint32_t mask;
    have(mkdir("watched", 0700), "make a directory");
    int fd = have(inotify_init1(0), "make an inotify");
    have(inotify_add_watch(fd, "watched", IN_CREATE), "watch a directory");
    hold();
    touch("watched/new");
    row_check(strcmp(next_event(fd, &mask), "new") == 0, "inotify tells of something else");
}

static void inotify_queued(void)
{
    uint32_t mask;
    have(mkdir("watched", 0700), "make a directory");
    int fd = have(inotify_init1(IN_NONBLOCK), "make an inotify");
    have(inotify_add_watch(fd, "watched", IN_CREATE), "watch a directory");
    touch("watched/before");
    hold();
    touch("watched/after");
    row_check(strcmp(next_event(fd, &mask), "before") == 0, "the queued event is gone");
}

/* What is watched is gone, and only events are left. */
static void inotify_left(void)
{
    char buffer[4096];
    touch("watched");
    int fd = have(inotify_init1(IN_NONBLOCK), "make an inotify");
    have(inotify_add_watch(fd, "watched", IN_DELETE_SELF), "watch a file");
    have(unlink("watched"), "delete a file");
    hold();
    row_check(read(fd, buffer, sizeof(buffer)) > 0, "the queued event is gone");
}

static void inotify_idle(void)
{
    int fd = have(inotify_init1(IN_NONBLOCK), "make an inotify");
    hold();
    touch("watched");
    row_check(inotify_add_watch(fd, "watched", IN_MODIFY) >= 0, "the inotify cannot be used any more");
}

static void fanotify(void)
{
    char buffer[4096];
    have(mkdir("watched", 0700), "make a directory");
    int fd = have(fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, O_RDONLY),
                  "make a fanotify");
    have(fanotify_mark(fd, FAN_MARK_ADD, FAN_CREATE, AT_FDCWD, "watched"), "watch a directory");
    hold();
    touch("watched/new");
    row_check(is_readable(fd) && read(fd, buffer, sizeof(buffer)) > 0, "fanotify tells of nothing");
}

static int idle(void *arg)
{
    (void)arg;
    hold_quietly();
    return 9;
}

static void process_descriptor(void)
{
    pid_t pid = child(idle, NULL);
    int fd = have((int)syscall(SYS_pidfd_open, pid, 0), "make a pidfd");
    hold();
    row_check(is_readable(fd), "the pidfd does not tell of the end of its process");
    row_check(status_of(pid) == 9, "the child has not ended as it should");
}

/* Of a child that has ended and was not waited for yet. */
static int end_at_once(void *arg)
{
    (void)arg;
    return 9;
}

static void process_descriptor_ended(void)
{
    pid_t pid = child(end_at_once, NULL);
    int fd = have((int)syscall(SYS_pidfd_open, pid, 0), "make a pidfd");
    row_check(is_readable(fd), "a child does not end");
    hold();
    siginfo_t info;
    row_check(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0 && info.si_status == 9, "the pidfd has lost its process");
}

const struct row_case object_event_cases[] = {
    {"eventfd", counter},
    {"eventfd-semaphore", semaphore},
    {"epoll", epoll},
    {"signalfd", signal_descriptor},
    {"inotify", inotify_watch},
    {"inotify-queued", inotify_queued},
    {"inotify-left", inotify_left},
    {"inotify-idle", inotify_idle},
    {"fanotify", fanotify},
    {"pidfd", process_descriptor},
    {"pidfd-ended", process_descriptor_ended},
    {NULL},
};
