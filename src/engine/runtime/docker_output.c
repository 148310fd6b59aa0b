/* SPDX-License-Identifier: Apache-2.0 */
/* What a container of docker writes goes through a pipe to its shim, through another one to dockerd, and through a
 * socket to us. At a checkpoint all that was written until then must have come out, and nobody on the way says so. So a
 * mark is written behind it, into the container's own pipes while it stands still; what copies the output takes it out
 * again, and tells. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/list.h"
#include "base/mem.h"
#include "engine/runtime/docker.h"
#include "proc/tree.h"

#define NONCE_FILE    "mark"
#define SEEN_FILE     "seen"
#define FLUSH_TIMEOUT 60 /* s; who reads the output may be slow */
#define ROUND         8  /* hexadecimal digits */
#define HEAD          (3 + DOCKER_NONCE)
#define MARK          (HEAD + ROUND + 1) /* "\036bv" NONCE ROUND "\036" */
#define DOCKERD_TRIES 300                /* one a second */

/* --- the process that copies --- */

struct side {
    int to;
    char kept[MARK]; /* what may be the begin of a mark */
    size_t used;
};

struct relay {
    char head[HEAD + 1];
    int seen;
    struct side sides[2];
};

/* Nobody may be there to read it; the container goes on all the same. */
static void put(const struct side *s, const char *bytes, size_t n)
{
    if (n && bv_write_full(s->to, bytes, n) < 0)
        return;
}

/* One byte further. A head has no character twice by which it could begin again but the first. */
static void take_byte(struct relay *r, struct side *s, char byte)
{
    int fits = s->used >= HEAD || byte == r->head[s->used];
    if (!fits) {
        put(s, s->kept, s->used);
        s->used = 0;
        if (byte != r->head[0]) {
            put(s, &byte, 1);
            return;
        }
    }
    s->kept[s->used++] = byte;
    if (s->used < MARK)
        return;
    s->used = 0;
    if (bv_write_full(r->seen, s->kept + HEAD, ROUND) < 0)
        return; /* whoever waits for it has a deadline */
}

static void take(struct relay *r, struct side *s, const char *bytes, size_t n)
{
    while (n > 0) {
        const char *begin = s->used ? bytes : memchr(bytes, r->head[0], n);
        size_t plain = begin ? (size_t)(begin - bytes) : n;
        put(s, bytes, plain);
        bytes += plain;
        n -= plain;
        if (n > 0) {
            take_byte(r, s, *bytes++);
            n--;
        }
    }
}

/* Frames: which stream, three zeros, the length in four bytes, and as many bytes. */
static void copy(struct relay *r, int stream)
{
    unsigned char head[8];
    char bytes[32768];
    while (bv_read_full(stream, head, sizeof(head)) == sizeof(head)) {
        size_t left = (size_t)head[4] << 24 | (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];
        while (left > 0) {
            size_t n = left < sizeof(bytes) ? left : sizeof(bytes);
            if (bv_read_full(stream, bytes, n) != (ssize_t)n)
                return;
            take(r, &r->sides[head[0] == 2], bytes, n);
            left -= n;
        }
    }
}

/* How the container has ended, -1 if dockerd does not tell: it sends the head of its answer at once and the rest at the
 * end, so one that dies in between has said "200" and nothing. A container that was removed has been killed. */
static int exit_status(const char *socket, const char *id)
{
    struct bv_error why = {0};
    autojson json_t *answer = NULL;
    autofree char *path = bv_asprintf("/containers/%s/wait", id);
    if (dockerd_call(socket, "POST", path, NULL, 0, &answer, &why) < 0)
        return why.code == BV_ENOJOB ? 128 + SIGKILL : -1;
    const json_t *status = json_object_get(answer, "StatusCode");
    return json_is_integer(status) ? (int)json_integer_value(status) & 0xff : -1;
}

/* Does the container run that may have outlived a dockerd? -1 if nobody tells. If so, *ret is its stream, -1 while it
 * is paused. It is attached to before dockerd is asked: the stream of one that has ended before has no end. */
static int attach_again(const char *socket, const char *id, int *ret)
{
    struct bv_error why = {0};
    autojson json_t *container = NULL;
    autofree char *path = bv_asprintf("/containers/%s/json", id);
    autoclose int stream = dockerd_attach(socket, id, NULL);
    if (dockerd_call(socket, "GET", path, NULL, RUNTIME_VERB_TIMEOUT, &container, &why) < 0)
        return why.code == BV_ENOJOB ? 0 : -1;
    if (!json_is_true(json_object_get(json_object_get(container, "State"), "Running")))
        return 0;
    *ret = steal_fd(&stream);
    return 1;
}

/* To the end of the container, whatever becomes of dockerd meanwhile. If that stays away nobody knows how the container
 * has ended, and we die of a signal: that is never a success. */
static void follow(struct relay *r, const char *socket, const char *id, int stream)
{
    int status = -1, tries = 0;
    copy(r, stream);
    close(stream);
    while ((status = exit_status(socket, id)) < 0 && tries < DOCKERD_TRIES) {
        int is_running = -1;
        autoclose int again = -1;
        while (again < 0 && is_running != 0 && tries < DOCKERD_TRIES) {
            poll(NULL, 0, 1000);
            is_running = attach_again(socket, id, &again);
            tries = is_running > 0 ? 0 : tries + 1;
        }
        if (again >= 0)
            copy(r, again);
    }
    for (int i = 0; i < 2; i++)
        put(&r->sides[i], r->sides[i].kept, r->sides[i].used);
    if (status < 0)
        kill(getpid(), SIGKILL);
    _exit(status);
}

/* Standard input is nothing for us, and what else is open belongs to who has started us. */
static int keep_alone(int stream, int seen)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int high = fcntl(stream, F_DUPFD_CLOEXEC, 10), other = fcntl(seen, F_DUPFD_CLOEXEC, 10);
    if (null < 0 || high < 0 || other < 0 || dup2(null, 0) < 0 || dup2(high, 3) < 0 || dup2(other, 4) < 0)
        return -1;
    return close_range(5, ~0u, 0);
}

static int new_nonce(int dir, char head[HEAD + 1])
{
    unsigned char random[DOCKER_NONCE / 2];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return -1;
    memcpy(head, "\036bv", 3);
    bv_hex_into(head + 3, random, sizeof(random));
    return bv_publish(dir, NONCE_FILE, head + 3, DOCKER_NONCE, 1, NULL);
}

pid_t docker_output_start(const char *socket, const char *id, int stream, const char *dir, struct bv_error *err)
{
    struct relay r = {.seen = 4, .sides = {{.to = 1}, {.to = 2}}};
    autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclose int seen = at < 0 ? -1 : openat(at, SEEN_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (seen < 0 || new_nonce(at, r.head) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot write to %s", dir);
    pid_t pid = fork();
    if (pid < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot fork");
    if (pid > 0)
        return pid;
    setsid();
    prctl(PR_SET_NAME, "bivouac-docker");
    signal(SIGPIPE, SIG_IGN);
    if (keep_alone(stream, seen) < 0)
        _exit(126);
    follow(&r, socket, id, 3);
    _exit(126);
}

/* --- at a checkpoint --- */

struct pipes {
    ino_t *ino; /* 0 = a mark is written */
    size_t count;
};

static void free_pipes(struct pipes *p)
{
    free(p->ino);
}
#define autopipes __attribute__((cleanup(free_pipes)))

/* The inode of what descriptor `name` of the directory is, 0 if it is not a pipe without a name. */
static ino_t pipe_of(int dir, const char *name)
{
    struct stat st;
    char link[64];
    ssize_t n = readlinkat(dir, name, link, sizeof(link) - 1);
    if (n < 6 || strncmp(link, "pipe:[", 6) != 0 || fstatat(dir, name, &st, 0) < 0)
        return 0;
    return st.st_ino;
}

static DIR *open_fds(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? NULL : bv_list_open(fd);
}

/* A pipe that is not seen would be output that is lost. */
static int fail_to_look(const char *what, struct bv_error *err)
{
    return bv_fail(err, BV_EENGINE, errno, "cannot look for the container's output in the descriptors of %s", what);
}

/* A mark is less than PIPE_BUF: it is written whole or not at all. */
static int write_mark(int dir, const char *name, const char mark[MARK], struct bv_deadline end, struct bv_error *err)
{
    autoclose int fd = openat(dir, name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return bv_fail(err, BV_EENGINE, errno, "cannot open the pipe of the container's output");
    while (write(fd, mark, MARK) != MARK) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (errno != EAGAIN && errno != EINTR)
            return bv_fail(err, BV_EENGINE, errno, "cannot write to the pipe of the container's output");
        if (bv_deadline_passed(end))
            return bv_fail(err, BV_ETIMEOUT, 0, "the container's output is not taken");
        poll(&p, 1, 100);
    }
    return 0;
}

/* Mark the pipes of `all` that the process has. One that is gone has none. */
static int mark_pipes(pid_t pid, struct pipes *all, const char mark[MARK], struct bv_deadline end, struct bv_error *err)
{
    int count = 0;
    autoclosedir DIR *fds = open_fds(pid);
    if (!fds)
        return errno == ENOENT ? 0 : fail_to_look("its processes", err);
    for (const char *name; (name = bv_list_next(fds));) {
        ino_t ino = pipe_of(dirfd(fds), name);
        size_t i = 0;
        while (ino && i < all->count && all->ino[i] != ino)
            i++;
        if (!ino || i == all->count)
            continue;
        if (write_mark(dirfd(fds), name, mark, end, err) < 0)
            return -1;
        all->ino[i] = 0;
        count++;
    }
    return errno && errno != ENOENT ? fail_to_look("its processes", err) : count;
}

/* The shim's ends of the container's output. */
static int find_pipes(pid_t shim, struct pipes *ret, struct bv_error *err)
{
    autoclosedir DIR *fds = open_fds(shim);
    if (!fds)
        return fail_to_look("its shim", err);
    for (const char *name; (name = bv_list_next(fds));) {
        ino_t ino = pipe_of(dirfd(fds), name);
        if (!ino)
            continue;
        ret->ino = bv_realloc(ret->ino, ret->count + 1, sizeof(*ret->ino));
        ret->ino[ret->count++] = ino;
    }
    return errno ? fail_to_look("its shim", err) : 0;
}

static int seen_of(int dir, const char *round)
{
    int count = 0;
    autofree char *text = bv_read_proc(dir, SEEN_FILE, 1 << 20);
    size_t n = text ? strlen(text) : 0;
    for (size_t i = 0; i + ROUND <= n; i += ROUND)
        count += strncmp(text + i, round, ROUND) == 0;
    return count;
}

static int write_marks(pid_t root, const char mark[MARK], struct bv_deadline end, struct bv_error *err)
{
    autopipes struct pipes all = {0};
    struct bv_task task;
    autopids struct bv_pids pids = {0};
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0 || bv_task_read(procfd, root, &task, err) < 0 || bv_tree_scan(procfd, root, &pids, err) < 0)
        return bv_fail(err, BV_EENGINE, 0, "the container cannot be looked at");
    if (find_pipes(task.ppid, &all, err) < 0)
        return -1;
    int count = 0;
    for (size_t i = 0; i < pids.count; i++) {
        int n = mark_pipes(pids.pid[i], &all, mark, end, err);
        if (n < 0)
            return -1;
        count += n;
    }
    return count;
}

int docker_output_flush(pid_t root, const char *dir, struct bv_error *err)
{
    char mark[MARK + 1];
    unsigned round;
    struct bv_deadline end = bv_deadline_in(FLUSH_TIMEOUT);
    autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autofree char *nonce = at < 0 ? NULL : bv_read_proc(at, NONCE_FILE, 64);
    if (!nonce || strlen(nonce) != DOCKER_NONCE || getrandom(&round, sizeof(round), 0) != sizeof(round))
        return bv_fail(err, BV_EENGINE, errno, "what copies the container's output has left no mark in %s", dir);
    snprintf(mark, sizeof(mark), "\036bv%s%08x\036", nonce, round);
    /* Of earlier rounds; it is read to a limit. */
    autoclose int seen = openat(at, SEEN_FILE, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (seen < 0)
        return bv_fail(err, BV_EENGINE, errno, "cannot open %s/" SEEN_FILE, dir);
    int count = write_marks(root, mark, end, err);
    if (count < 0)
        return -1;
    while (seen_of(at, mark + HEAD) < count) {
        if (bv_deadline_passed(end))
            return bv_fail(err, BV_ETIMEOUT, 0, "the container's output did not come out within %d s", FLUSH_TIMEOUT);
        poll(NULL, 0, 2);
    }
    return 0;
}

void docker_output_forget(const char *dir)
{
    autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return;
    unlinkat(at, NONCE_FILE, 0);
    unlinkat(at, SEEN_FILE, 0);
}
