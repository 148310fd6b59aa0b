/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/tree.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "proc/field.h"

#define TREE_MAX   65536       /* processes, or threads of one process */
#define STAT_MAX   4096        /* bytes; a stat line has 52 numbers and a name of at most 64 bytes */
#define STATUS_MAX (256 << 10) /* bytes; the supplementary groups, up to 65536, make it long */

void bv_pids_free(struct bv_pids *p)
{
    free(p->pid);
    *p = (struct bv_pids){0};
}

static void append(struct bv_pids *p, pid_t pid)
{
    if ((p->count & (p->count - 1)) == 0)
        p->pid = bv_realloc(p->pid, p->count ? p->count * 2 : 1, sizeof(*p->pid));
    p->pid[p->count++] = pid;
}

/* The entries of a directory that are numbers, in the kernel's order, which is ascending. -1 with errno. */
static int numbers(int dirfd, const char *name, struct bv_pids *ret)
{
    autoclose int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    autoclosedir DIR *dir = fdopendir(fd);
    if (!dir)
        return -1;
    (void)steal_fd(&fd);

    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e)
            return errno ? -1 : 0;
        if (isdigit((unsigned char)e->d_name[0]))
            append(ret, (pid_t)strtol(e->d_name, NULL, 10));
    }
}

/* The part of a stat line that does not depend on reading more files. The name may hold blanks and parentheses, so
 * that only the last ')' ends it. Returns -1 if the text is no stat line. */
static int parse_stat(const char *text, struct bv_task *ret)
{
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || close < open)
        return -1;

    struct bv_task t = {.pid = (pid_t)strtol(text, NULL, 10)};
    snprintf(t.comm, sizeof(t.comm), "%.*s", (int)(close - open - 1), open + 1);

    long long rss_pages;
    unsigned long long cutime, cstime;
    int n = sscanf(
        close + 1, " %c %d %d %d %d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %d %*d %llu %*u %lld", &t.state,
        &t.ppid, &t.pgid, &t.sid, &t.tty, &t.utime, &t.stime, &cutime, &cstime, &t.threads, &t.start_time, &rss_pages);
    if (n != 12)
        return -1;
    t.children_time = cutime + cstime;
    t.rss = rss_pages > 0 ? (unsigned long long)rss_pages * (unsigned long long)sysconf(_SC_PAGESIZE) : 0;
    *ret = t;
    return 0;
}

static int read_stat(int procfd, pid_t pid, struct bv_task *ret)
{
    char name[32];
    snprintf(name, sizeof(name), "%d/stat", (int)pid);
    autofree char *text = bv_read_proc(procfd, name, STAT_MAX);
    return text ? parse_stat(text, ret) : -1;
}

int bv_task_read(int procfd, pid_t pid, struct bv_task *ret, struct bv_error *err)
{
    struct bv_task t;
    errno = 0;
    if (read_stat(procfd, pid, &t) < 0) {
        if (errno == ENOENT || errno == ESRCH)
            return bv_fail(err, BV_ENOTRUNNING, 0, "there is no process %d", (int)pid);
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read what process %d does", (int)pid);
    }

    char name[32];
    snprintf(name, sizeof(name), "%d/status", (int)pid);
    autofree char *status = bv_read_proc(procfd, name, STATUS_MAX);
    if (!status)
        return bv_fail(err, errno == ENOENT || errno == ESRCH ? BV_ENOTRUNNING : BV_EINTERNAL, errno,
                       "cannot read the status of process %d", (int)pid);
    t.seccomp = (int)bv_field_number(status, "Seccomp", 10, 0);
    *ret = t;
    return 0;
}

struct link {
    pid_t parent, pid;
};

static int by_parent(const void *a, const void *b)
{
    const struct link *x = a, *y = b;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

/* Index of the first link of `parent`, or `count`. */
static size_t first_child(const struct link *links, size_t count, pid_t parent)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (links[mid].parent < parent)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Who is whose child, of all processes in sight, sorted by parent. The files task/T/children would be shorter to walk,
 * but they leave out live children when others exit meanwhile, and not every kernel has them. */
static struct link *all_links(int procfd, size_t *ret_count)
{
    autopids struct bv_pids all = {0};
    if (numbers(procfd, ".", &all) < 0)
        return NULL;

    struct link *links = bv_alloc(all.count * sizeof(*links));
    size_t count = 0;
    for (size_t i = 0; i < all.count; i++) {
        struct bv_task t;
        if (read_stat(procfd, all.pid[i], &t) == 0)
            links[count++] = (struct link){.parent = t.ppid, .pid = all.pid[i]};
    }
    qsort(links, count, sizeof(*links), by_parent);
    *ret_count = count;
    return links;
}

int bv_tree_scan(int procfd, pid_t root, struct bv_pids *ret, struct bv_error *err)
{
    struct bv_task t;
    if (bv_task_read(procfd, root, &t, err) < 0)
        return -1;

    size_t count = 0;
    autofree struct link *links = all_links(procfd, &count);
    if (!links)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot list the processes");

    autopids struct bv_pids tree = {0};
    append(&tree, root);
    for (size_t next = 0; next < tree.count; next++) {
        pid_t parent = tree.pid[next];
        for (size_t i = first_child(links, count, parent); i < count && links[i].parent == parent; i++) {
            if (links[i].pid == root)
                continue;
            if (tree.count == TREE_MAX)
                return bv_fail(err, BV_EINTERNAL, 0, "process %d has more than %d descendants", (int)root, TREE_MAX);
            append(&tree, links[i].pid);
        }
    }
    *ret = tree;
    tree = (struct bv_pids){0};
    return 0;
}

int bv_tree_threads(int procfd, pid_t pid, struct bv_pids *ret, struct bv_error *err)
{
    char name[32];
    snprintf(name, sizeof(name), "%d/task", (int)pid);
    autopids struct bv_pids threads = {0};
    if (numbers(procfd, name, &threads) < 0) {
        if (errno == ENOENT || errno == ESRCH)
            return bv_fail(err, BV_ENOTRUNNING, 0, "there is no process %d", (int)pid);
        return bv_fail(err, BV_EINTERNAL, errno, "cannot list the threads of process %d", (int)pid);
    }
    if (threads.count > TREE_MAX)
        return bv_fail(err, BV_EINTERNAL, 0, "process %d has more than %d threads", (int)pid, TREE_MAX);
    *ret = threads;
    threads = (struct bv_pids){0};
    return 0;
}
