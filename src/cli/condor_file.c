/* SPDX-License-Identifier: Apache-2.0 */
/* The file that HTCondor carries: out of a sandbox, and into the next one. There is room for the images once, so the
 * store gives its space back while the file is written, and the file goes when the store has everything. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/condor.h"
#include "store/export.h"
#include "store/generation.h"

/* --- into the store --- */

static int import_one(struct cmd_condor *c, int fd, size_t i, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    struct bv_import_result result;
    if (lseek(fd, (off_t)c->head.exports[i].offset, SEEK_SET) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot read " BV_CONDOR_FILE);
    return bv_store_open(c->store, 1, &store, err) < 0 ? -1 : bv_import(&store, fd, c->id, NULL, &result, err);
}

/* The newest that is good. */
static int import_newest(struct cmd_condor *c, int fd, struct bv_error *err)
{
    struct bv_error first = {0};
    for (size_t i = 0; i < c->head.count; i++) {
        struct bv_error e = {0};
        if (import_one(c, fd, i, &e) == 0)
            return 1;
        if (e.code != BV_ECORRUPT)
            return bv_fail(err, e.code, 0, "%s", e.text);
        if (!first.code)
            first = e;
        bv_warn("checkpoint %u in " BV_CONDOR_FILE " is damaged (%s)%s", c->head.exports[i].generation, e.text,
                i + 1 < c->head.count ? ": falling back to the one before" : "");
    }
    return bv_fail(err, BV_ECORRUPT, 0,
                   "no checkpoint in " BV_CONDOR_FILE " is good (the newest: %s); nothing was started", first.text);
}

int cmd_condor_take(struct cmd_condor *c, struct bv_error *err)
{
    struct stat st;
    autoclose int fd = openat(c->boxfd, BV_CONDOR_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return bv_fail(err, BV_ESTORE, fd < 0 ? errno : 0, "cannot open " BV_CONDOR_FILE " as a file");
    int has = bv_condor_head_read(fd, &c->head, err);
    if (has <= 0)
        return has;
    if (c->head.end == BV_CONDOR_GOES_ON && c->head.count && import_newest(c, fd, err) < 0)
        return -1;
    if (unlinkat(c->boxfd, BV_CONDOR_FILE, 0) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot remove " BV_CONDOR_FILE);
    return c->head.end == BV_CONDOR_GOES_ON && c->head.count > 0;
}

/* --- out of the store --- */

struct carry {
    const struct bv_job *job;
    int fd;
    struct bv_condor_head *head;
};

static uint64_t free_bytes(int fd)
{
    struct statvfs v;
    return fstatvfs(fd, &v) < 0 ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
}

/* Is there room for one more beside the newest, which takes the place that it has in the store? */
static int has_room(const struct cmd_condor *c, uint64_t older, uint64_t newest)
{
    if (c->job.disk && (older > c->job.disk / 2 || newest > c->job.disk / 2))
        return 0;
    return older < free_bytes(c->boxfd) / 2;
}

/* A generation behind what is in the file already; it becomes the first of the list. */
static int add(struct carry *x, unsigned generation, int is_last, struct bv_error *err)
{
    struct bv_condor_head *h = x->head;
    uint64_t size;
    off_t begin = lseek(x->fd, 0, SEEK_CUR);
    if (begin < 0 || bv_export_size(x->job, generation, &size, err) < 0)
        return -1;
    /* Nothing is destroyed that there is room for. */
    int is_away = is_last && free_bytes(x->fd) < size + size / 8;
    int rc = is_away ? bv_export_away(x->job, generation, x->fd, NULL, err)
                     : bv_export(x->job, generation, x->fd, NULL, err);
    off_t end = lseek(x->fd, 0, SEEK_CUR);
    if (rc < 0 || end < 0)
        return -1;
    memmove(h->exports + 1, h->exports, sizeof(h->exports) - sizeof(h->exports[0]));
    h->count++;
    h->exports[0].generation = generation;
    h->exports[0].offset = (uint64_t)begin;
    h->exports[0].size = (uint64_t)(end - begin);
    return 0;
}

static int add_older(const struct cmd_condor *c, struct carry *x, unsigned older, unsigned newest)
{
    struct bv_error e = {0};
    uint64_t old_size, new_size;
    if (bv_export_size(x->job, older, &old_size, &e) < 0 || bv_export_size(x->job, newest, &new_size, &e) < 0 ||
        !has_room(c, old_size, new_size))
        return 0;
    if (add(x, older, 0, &e) == 0)
        return 0;
    /* The newest matters more. */
    return ftruncate(x->fd, BV_CONDOR_HEAD) < 0 || lseek(x->fd, BV_CONDOR_HEAD, SEEK_SET) < 0 ? -1 : 0;
}

static int add_all(struct cmd_condor *c, int fd, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    autofree unsigned *list = NULL;
    struct carry x = {.job = &job, .fd = fd, .head = &c->head};
    size_t n = 0;
    c->head.count = 0;
    if (c->head.end != BV_CONDOR_GOES_ON)
        return 0;
    if (bv_store_open(c->store, 0, &store, err) < 0 || bv_job_open(&store, c->id, &job, err) < 0 ||
        bv_generation_list(&job, &list, &n, err) < 0)
        return -1;
    if (n > 1 && add_older(c, &x, list[n - 2], list[n - 1]) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot write " BV_CONDOR_FILE);
    return n == 0 ? 0 : add(&x, list[n - 1], 1, err);
}

static int write_file(struct cmd_condor *c, struct bv_error *err)
{
    if (unlinkat(c->boxfd, BV_CONDOR_NEW_FILE, 0) < 0 && errno != ENOENT)
        return bv_fail(err, BV_ESTORE, errno, "cannot remove " BV_CONDOR_NEW_FILE);
    autoclose int fd = openat(c->boxfd, BV_CONDOR_NEW_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || lseek(fd, BV_CONDOR_HEAD, SEEK_SET) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create " BV_CONDOR_NEW_FILE);
    if (add_all(c, fd, err) < 0)
        return -1;
    int is_empty = c->head.end == BV_CONDOR_GOES_ON && c->head.count == 0;
    if (!is_empty && bv_condor_head_write(fd, &c->head, err) < 0)
        return -1;
    if (fsync(fd) < 0 || renameat(c->boxfd, BV_CONDOR_NEW_FILE, c->boxfd, BV_CONDOR_FILE) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot write " BV_CONDOR_FILE);
    return 0;
}

static void remove_store(struct cmd_condor *c)
{
    struct bv_error e = {0};
    if (bv_remove_tree(AT_FDCWD, c->store, &e) < 0)
        bv_warn("cannot remove %s: %s", c->store, e.text);
}

int cmd_condor_carry(struct cmd_condor *c, struct bv_error *err)
{
    if (write_file(c, err) < 0)
        return -1;
    remove_store(c);
    return 0;
}

void cmd_condor_clean(struct cmd_condor *c)
{
    remove_store(c);
    unlinkat(c->boxfd, BV_CONDOR_NEW_FILE, 0);
    unlinkat(c->boxfd, BV_CONDOR_FILE, 0);
    if (!c->job.is_listed)
        return;
    /* What is in the list of outputs has to exist. It goes to /dev/null. */
    autoclose int fd = openat(c->boxfd, BV_CONDOR_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        bv_warn("cannot create an empty " BV_CONDOR_FILE ": %s", strerror(errno));
}
