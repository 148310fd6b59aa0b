/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/stdio.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/mem.h"

static const char *const kind_names[] = {
    [BV_STDIO_NULL] = "null",
    [BV_STDIO_FILE] = "file",
    [BV_STDIO_PIPE] = "pipe",
    [BV_STDIO_TTY] = "tty",
};

const char *bv_stdio_kind_name(enum bv_stdio_kind kind)
{
    return kind_names[kind];
}

int bv_stdio_kind_parse(const char *name)
{
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
        if (strcmp(kind_names[i], name) == 0)
            return (int)i;
    return -1;
}

int bv_stdio_has(const struct bv_stdio *s, enum bv_stdio_kind kind)
{
    for (int i = 0; i < 3; i++)
        if (s->end[i].kind == kind)
            return 1;
    return 0;
}

static void clear(struct bv_stdio *s)
{
    memset(s, 0, sizeof(*s));
    for (int i = 0; i < 3; i++)
        s->end[i] = (struct bv_stdio_end){.kind = BV_STDIO_NULL, .same_as = -1, .job_fd = -1, .our_fd = -1, .pos = -1};
}

static int is_at(const char *path, const struct stat *st)
{
    struct stat there;
    return stat(path, &there) == 0 && there.st_dev == st->st_dev && there.st_ino == st->st_ino;
}

/* The path by which the file behind descriptor `fd` can be opened again, or NULL: deleted, or hidden by a mount. */
static char *path_of(int fd, const struct stat *st)
{
    static const char deleted[] = " (deleted)";
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0 || path[0] != '/')
        return NULL;
    path[n] = '\0';
    if (is_at(path, st))
        return bv_strdup(path);
    /* Of files on network file systems the kernel says so although they are there. */
    size_t end = (size_t)n - strlen(deleted);
    if ((size_t)n <= strlen(deleted) || strcmp(path + end, deleted) != 0)
        return NULL;
    path[end] = '\0';
    return is_at(path, st) ? bv_strdup(path) : NULL;
}

static int make_pipe(struct bv_stdio_end *e, int number, struct bv_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    struct stat st;
    if (fstat(ends[0], &st) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot stat a pipe");
    int job_writes = number != STDIN_FILENO;
    e->job_fd = ends[job_writes];
    e->our_fd = ends[!job_writes];
    e->ino = st.st_ino;
    return 0;
}

/* Do descriptors `a` and `b` share one open file description (2>&1)? */
static int share(int a, int b)
{
    pid_t self = getpid();
    if (syscall(SYS_kcmp, self, self, KCMP_FILE, (unsigned long)a, (unsigned long)b) == 0)
        return 1;
    /* Two openings of one pipe, socket or terminal are one stream all the same. */
    struct stat sa, sb;
    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && !S_ISREG(sa.st_mode) && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

static int inspect_one(struct bv_stdio *s, int number, int only_pipes, struct bv_error *err)
{
    struct bv_stdio_end *e = &s->end[number];
    struct stat st;
    int flags = fcntl(number, F_GETFL);
    if (flags < 0 || fstat(number, &st) < 0)
        return 0; /* closed: the job gets /dev/null */

    for (int i = number == STDERR_FILENO ? STDOUT_FILENO : number; i < number; i++)
        if (share(i, number)) {
            *e = (struct bv_stdio_end){.kind = s->end[i].kind, .same_as = i, .job_fd = -1, .our_fd = -1, .pos = -1};
            return 0;
        }

    if (!only_pipes && isatty(number)) {
        e->kind = BV_STDIO_TTY;
        return 0;
    }
    if (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))
        e->path = path_of(number, &st);
    if (e->path && strcmp(e->path, "/dev/null") == 0)
        return 0;
    if (e->path && only_pipes) {
        free(e->path);
        e->path = NULL;
    }
    if (e->path) {
        e->kind = BV_STDIO_FILE;
        e->flags = flags & (O_ACCMODE | O_APPEND | O_NONBLOCK);
        e->pos = S_ISREG(st.st_mode) ? lseek(number, 0, SEEK_CUR) : -1;
        return 0;
    }
    e->kind = BV_STDIO_PIPE;
    return make_pipe(e, number, err);
}

int bv_stdio_inspect(int only_pipes, struct bv_stdio *ret, struct bv_error *err)
{
    clear(ret);
    for (int i = 0; i < 3; i++)
        if (inspect_one(ret, i, only_pipes, err) < 0)
            return -1;
    return 0;
}

int bv_stdio_recreate(const enum bv_stdio_kind kind[3], const int same_as[3], struct bv_stdio *ret,
                      struct bv_error *err)
{
    clear(ret);
    for (int i = 0; i < 3; i++) {
        ret->end[i].kind = kind[i];
        ret->end[i].same_as = same_as[i];
        if (kind[i] == BV_STDIO_PIPE && same_as[i] < 0 && make_pipe(&ret->end[i], i, err) < 0)
            return -1;
    }
    return 0;
}

void bv_stdio_close_job_ends(struct bv_stdio *s)
{
    for (int i = 0; i < 3; i++)
        close_fd(&s->end[i].job_fd);
}

void bv_stdio_free(struct bv_stdio *s)
{
    bv_stdio_close_job_ends(s);
    for (int i = 0; i < 3; i++) {
        close_fd(&s->end[i].our_fd);
        free(s->end[i].path);
    }
    clear(s);
}

static int open_end(const struct bv_stdio *s, int number, int terminal, const int opened[3], struct bv_error *err)
{
    const struct bv_stdio_end *e = &s->end[number];
    if (e->same_as >= 0)
        return fcntl(opened[e->same_as], F_DUPFD_CLOEXEC, 3);

    int fd = -1;
    switch (e->kind) {
    case BV_STDIO_NULL:
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        break;
    case BV_STDIO_FILE:
        fd = open(e->path, e->flags | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0 && e->pos > 0 && lseek(fd, e->pos, SEEK_SET) < 0)
            return bv_fail(err, BV_EINTERNAL, errno, "cannot seek in %s", e->path);
        break;
    case BV_STDIO_PIPE:
        fd = fcntl(e->job_fd, F_DUPFD_CLOEXEC, 3);
        break;
    case BV_STDIO_TTY:
        fd = fcntl(terminal, F_DUPFD_CLOEXEC, 3);
        break;
    }
    if (fd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open %s for the job", e->path ? e->path : kind_names[e->kind]);
    if (fd > 2)
        return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* our own 0 to 2 may be closed */
    close(fd);
    return high;
}

int bv_stdio_become(const struct bv_stdio *s, int terminal, struct bv_error *err)
{
    int opened[3];
    for (int i = 0; i < 3; i++) {
        opened[i] = open_end(s, i, terminal, opened, err);
        if (opened[i] < 0)
            return -1;
    }
    for (int i = 0; i < 3; i++)
        if (dup2(opened[i], i) < 0)
            return bv_fail(err, BV_EINTERNAL, errno, "cannot set up standard input and output");
    return 0;
}
