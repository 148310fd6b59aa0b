/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "job/preflight_rules.h"
#include "proc/field.h"
#include "proc/mounts.h"

/* The engine keeps an unlinked file in the image up to this many bytes on disk (--ghost-limit). */
#define GHOST_LIMIT (1LL << 30)

static int begins(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static char *anonymous(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    (void)p;
    if (fd->kind != BV_FD_ANON || !begins(fd->target + strlen("anon_inode:"), arg))
        return NULL;
    return bv_asprintf("descriptor %d is %s", fd->fd, fd->target + strlen("anon_inode:"));
}

static char *io_uring(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    (void)p, (void)arg;
    if (fd->kind != BV_FD_ANON || strcmp(fd->target, "anon_inode:[io_uring]") != 0)
        return NULL;
    return bv_asprintf("an io_uring ring is open (descriptor %d)", fd->fd);
}

/* All kinds of anonymous inode that either have a rule of their own or are kept. */
static char *unknown_object(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    static const char *const known[] = {"[eventfd]",     "[eventpoll]",  "[signalfd]", "[timerfd]",
                                        "[pidfd]",       "inotify",      "[fanotify]", "[io_uring]",
                                        "[userfaultfd]", "[perf_event]", "bpf",        "[bpf"};
    (void)p, (void)arg;
    if (fd->kind != BV_FD_ANON)
        return NULL;
    const char *name = fd->target + strlen("anon_inode:");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (begins(name, known[i]))
            return NULL;
    return bv_asprintf("descriptor %d is %s, a kernel object that cannot be kept", fd->fd, name);
}

static char *inotify(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    (void)p, (void)arg;
    if (fd->kind != BV_FD_ANON || !begins(fd->target, "anon_inode:inotify") || !strstr(fd->info, "\ninotify wd:"))
        return NULL; /* without a watch there is nothing that the engine would fail on */
    return bv_asprintf("it watches files with inotify (descriptor %d)", fd->fd);
}

/* As with inotify, only what it watches is in the way. */
static char *fanotify(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    (void)p, (void)arg;
    if (fd->kind != BV_FD_ANON || !begins(fd->target, "anon_inode:[fanotify]"))
        return NULL;
    if (!strstr(fd->info, "\nfanotify ino:") && !strstr(fd->info, "\nfanotify mnt_id:") &&
        !strstr(fd->info, "\nfanotify sdev:"))
        return NULL;
    return bv_asprintf("it watches files with fanotify (descriptor %d)", fd->fd);
}

static char *queued_events(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    int waiting = 0;
    (void)arg;
    if (fd->kind != BV_FD_ANON || !begins(fd->target, "anon_inode:inotify"))
        return NULL;
    autoclose int copy = bv_fd_borrow(p->task.pid, fd->fd);
    if (copy < 0 || ioctl(copy, FIONREAD, &waiting) < 0 || waiting == 0)
        return NULL;
    return bv_asprintf("inotify events that wait at descriptor %d would be lost", fd->fd);
}

static char *semaphore_eventfd(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    (void)p, (void)arg;
    if (fd->kind != BV_FD_ANON || bv_field_number(fd->info, "eventfd-semaphore", 10, 0) == 0)
        return NULL;
    return bv_asprintf("descriptor %d is an eventfd that counts like a semaphore, and would be a plain one afterwards",
                       fd->fd);
}

static char *outside_pidfd(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    (void)arg;
    if (fd->kind != BV_FD_ANON || !begins(fd->target, "anon_inode:[pidfd]"))
        return NULL;
    pid_t pid = (pid_t)bv_field_number(fd->info, "Pid", 10, -1); /* -1 when that process is gone */
    if (pid < 0 || pf_is_ours(p->tree, pid))
        return NULL;
    return bv_asprintf("descriptor %d refers to a process that is not of the job", fd->fd);
}

static char *packet_pipe(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    (void)p, (void)arg;
    if (fd->kind != BV_FD_PIPE || !(fd->flags & O_DIRECT))
        return NULL;
    return bv_asprintf("descriptor %d is a pipe that keeps messages apart (O_DIRECT)", fd->fd);
}

/* The line of the mount that an open file is on; *ret_length without its end. NULL if the process does not see it. */
static const char *mount_line(const struct pf_process *p, const struct bv_fd *fd, size_t *ret_length)
{
    char wanted[24];
    int n = snprintf(wanted, sizeof(wanted), "%lld ", (long long)bv_field_number(fd->info, "mnt_id", 10, -1));
    for (const char *line = p->mountinfo; *line;) {
        *ret_length = strcspn(line, "\n");
        if (strncmp(line, wanted, (size_t)n) == 0)
            return line;
        line += *ret_length;
        line += *line == '\n';
    }
    return NULL;
}

/* Queues are on a mount that only the kernel has. */
static char *message_queue(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    struct statfs fs;
    size_t length;
    (void)arg;
    if (fd->kind != BV_FD_FILE || mount_line(p, fd, &length))
        return NULL;
    autoclose int file = bv_fd_reopen(p->tree->p->procfd, p->task.pid, fd->fd, O_PATH);
    if (file < 0 || fstatfs(file, &fs) < 0 || fs.f_type != 0x19800202)
        return NULL;
    return bv_asprintf("the POSIX message queue %s is open", fd->target);
}

/* By the list of mounts: statfs(2) would ask the server, which may hang. */
static char *network_file(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    size_t length;
    automounts struct bv_mounts mounts = {0};
    (void)arg;
    if (fd->kind != BV_FD_FILE || (fd->flags & O_ACCMODE) == O_RDONLY || fd->deleted)
        return NULL;
    const char *found = mount_line(p, fd, &length);
    if (!found)
        return NULL;
    autofree char *line = bv_strndup(found, length);
    bv_mounts_parse(line, &mounts);
    if (mounts.count == 0 || !bv_mount_is_remote(mounts.mount[0].type))
        return NULL;
    return bv_asprintf("%s is open for writing on a network file system (%s)", fd->target, mounts.mount[0].type);
}

static char *big_deleted_file(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    (void)p, (void)arg;
    if (fd->kind != BV_FD_FILE || fd->st.st_nlink > 0 || begins(fd->target, "/memfd:") ||
        (long long)fd->st.st_blocks * 512 <= GHOST_LIMIT)
        return NULL;
    return bv_asprintf("%s is open and has been deleted, and has %lld MiB, more than 1024", fd->target,
                       (long long)fd->st.st_blocks / 2048);
}

/* A file is only found again if its mount is one that the process sees. Judged in a capsule only: outside of one the
 * job's mounts are not made yet. */
static char *outside_mount(const struct pf_process *p, const struct bv_fd *fd, const char *arg)
{
    (void)arg;
    if (!p->tree->p->in_capsule || fd->target[0] != '/' || begins(fd->target, "/memfd:") || !p->mountinfo[0])
        return NULL;
    if (fd->kind != BV_FD_FILE && fd->kind != BV_FD_DIR && fd->kind != BV_FD_CHAR && fd->kind != BV_FD_FIFO)
        return NULL;

    size_t length;
    if (mount_line(p, fd, &length))
        return NULL;
    return bv_asprintf("descriptor %d, %s, was opened outside of the job's own mounts", fd->fd, fd->target);
}

/* The character devices that every host has and that have no state, and terminals. */
static int is_plain_device(dev_t dev)
{
    unsigned maj = major(dev), min = minor(dev);
    if (maj == 1)
        return min == 3 || min == 5 || min == 7 || min == 8 || min == 9; /* null zero full random urandom */
    if (maj == 5)
        return min == 0 || min == 2; /* tty ptmx */
    return maj >= 136 && maj <= 143; /* pts */
}

static const char *device_topic(const char *path)
{
    static const struct {
        const char *prefix, *topic;
    } known[] = {
        {"/dev/nvidia", "gpu"}, {"/dev/kfd", "gpu"},  {"/dev/dri/", "gpu"},  {"/dev/infiniband/", "rdma"},
        {"/dev/hfi1", "rdma"},  {"/dev/cxi", "rdma"}, {"/dev/knem", "rdma"}, {"/dev/xpmem", "rdma"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (begins(path, known[i].prefix))
            return known[i].topic;
    return "device";
}

static char *device(const struct pf_process *p, const struct bv_fd *fd, const char *topic)
{
    (void)p;
    if (fd->kind != BV_FD_CHAR && fd->kind != BV_FD_BLOCK)
        return NULL;
    if ((fd->kind == BV_FD_CHAR && is_plain_device(fd->st.st_rdev)) || strcmp(device_topic(fd->target), topic) != 0)
        return NULL;
    return bv_asprintf("the device %s is open", fd->target);
}

#define BLOCKS  .weight = BV_FINDING_BLOCKS
#define WEAKENS .weight = BV_FINDING_WEAKENS
#define NOTE    .weight = BV_FINDING_NOTE

const struct pf_rule pf_file_rules[] = {
    {.topic = "io_uring", BLOCKS, .fd = io_uring, .remedy = PF_REMEDY_IO_URING},
    {.topic = "userfaultfd",
     BLOCKS,
     .fd = anonymous,
     .arg = "[userfaultfd]",
     .remedy = "Turn off in the program what handles page faults by itself (userfaultfd)."},
    {.topic = "perf_event",
     BLOCKS,
     .fd = anonymous,
     .arg = "[perf_event]",
     .remedy = "Run without a profiler or hardware counters (perf, PAPI)."},
    {.topic = "bpf", BLOCKS, .fd = anonymous, .arg = "bpf", .remedy = "Let the program close its BPF objects."},
    {.topic = "bpf", BLOCKS, .fd = anonymous, .arg = "[bpf", .remedy = "Let the program close its BPF objects."},
    {.topic = "kernel-object",
     BLOCKS,
     .fd = unknown_object,
     .remedy = "Let the program close it before the checkpoint."},
    {.topic = "inotify",
     BLOCKS,
     .fd = inotify,
     .remedy = "Let the program poll instead of watching (tail -f: add ---disable-inotify)."},
    {.topic = "fanotify", BLOCKS, .fd = fanotify, .remedy = "Let the program poll instead of watching."},
    {.topic = "pipe-packets",
     BLOCKS,
     .fd = packet_pipe,
     .remedy = "Let the program use a pair of sockets (SOCK_SEQPACKET) instead."},
    {.topic = "mqueue",
     BLOCKS,
     .fd = message_queue,
     .remedy = "Let the program talk through pipes, unix sockets or shared memory instead of POSIX message queues."},
    {.topic = "deleted-file",
     BLOCKS,
     .fd = big_deleted_file,
     .remedy = "Let the program keep its large temporary files until it ends, instead of deleting them at once."},
    {.topic = "outside-file",
     BLOCKS,
     .fd = outside_mount,
     .remedy = "Start the job without inherited descriptors; let it open its files itself."},
    {.topic = "gpu", BLOCKS, .fd = device, .arg = "gpu", .remedy = PF_REMEDY_GPU},
    {.topic = "rdma", BLOCKS, .fd = device, .arg = "rdma", .remedy = PF_REMEDY_RDMA},
    {.topic = "device", BLOCKS, .fd = device, .arg = "device", .remedy = "Let the program close the device."},
    {.topic = "eventfd-semaphore",
     WEAKENS,
     .fd = semaphore_eventfd,
     .remedy = "Let the program use a POSIX semaphore or a pipe instead of EFD_SEMAPHORE."},
    {.topic = "inotify-queue",
     WEAKENS,
     .fd = queued_events,
     .remedy = "Let the program look at what it watches once more after a restart, or poll instead of watching."},
    {.topic = "pidfd-outside", BLOCKS, .fd = outside_pidfd, .remedy = "Let the program close it."},
    {.topic = "network-file",
     NOTE,
     .fd = network_file,
     .remedy = "Restart only where this file system is mounted at the same path."},
    {0},
};
