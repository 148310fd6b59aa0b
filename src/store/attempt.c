/* SPDX-License-Identifier: Apache-2.0 */
#include "store/attempt.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "proc/tree.h"
#include "store/attempt_file.h"
#include "store/layout.h"

#define ATTEMPTS_DIR "attempts"
#define NOW_FILE     ".now"

/* The highest number, or -1 if there is none. */
static int highest_number(const char *name, void *arg)
{
    long *highest = arg;
    unsigned number;
    if (bv_is_attempt(name, &number) && (long)number > *highest)
        *highest = number;
    return 0;
}

static int find_highest(int dirfd, long *ret, struct bv_error *err)
{
    long highest = -1;
    if (bv_dir_each(dirfd, highest_number, &highest, err) < 0)
        return -1;
    *ret = highest;
    return 0;
}

static int open_attempts(const struct bv_job *j, struct bv_error *err)
{
    int fd = bv_dir_open(j->dirfd, ATTEMPTS_DIR);
    if (fd < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot open the attempts of job %s", j->id);
    return fd;
}

/* The file server's clock. The file stays, so that asking needs no new inode when there are none. Our own clock where
 * nothing can be written: a full store must not hide who runs the job, and a claim fails anyway. */
static int64_t server_now(int dirfd)
{
    struct stat st;
    autoclose int fd = openat(dirfd, NOW_FILE, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0 || futimens(fd, NULL) < 0 || fstat(fd, &st) < 0)
        return bv_clock_ns(CLOCK_REALTIME);
    return bv_mtime_ns(&st);
}

int64_t bv_job_now(const struct bv_job *j)
{
    autoclose int dirfd = bv_dir_open(j->dirfd, ATTEMPTS_DIR);
    return server_now(dirfd);
}

/* When the lease was renewed last. The file is opened, not only looked at: with that an NFS client asks its server. */
static int renewed_at(int dirfd, const char *name, int64_t *ret)
{
    struct stat st;
    autoclose int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    *ret = bv_mtime_ns(&st);
    return 0;
}

/* *ret_at (may be NULL) is when it was recorded, by the file server's clock. */
static int has_end(int dirfd, unsigned number, int64_t *ret_at)
{
    char name[BV_LAYOUT_NAME];
    struct stat st;
    bv_attempt_end_name(number, name);
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (ret_at)
        *ret_at = bv_mtime_ns(&st);
    return 1;
}

static int read_outcome(int dirfd, unsigned number, json_t **ret, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    autofree char *text = NULL;
    size_t size = 0;
    bv_attempt_end_name(number, name);
    if (bv_read_file(dirfd, name, BV_ATTEMPT_FILE_MAX, &text, &size, err) < 0 ||
        bv_attempt_end_parse(text, size, ret, err) < 0)
        return bv_wrap(err, "attempts/%s", name);
    return 0;
}

static int read_attempt(int dirfd, unsigned number, struct bv_attempt_info *ret, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    autofree char *text = NULL;
    size_t size = 0;
    double lease = 0;
    struct bv_attempt_info i = {0};
    struct bv_host host;
    bv_attempt_name(number, name);
    if (bv_read_file(dirfd, name, BV_ATTEMPT_FILE_MAX, &text, &size, err) < 0 ||
        bv_attempt_file_parse(text, size, &i, &lease, err) < 0)
        return bv_wrap(err, "attempts/%s", name);
    if (i.number != number)
        return bv_fail(err, BV_ECORRUPT, 0, "attempts/%s is the file of another attempt", name);
    if (bv_host_read(&host, err) < 0)
        return -1;

    int64_t renewed, ended_at;
    if (renewed_at(dirfd, name, &renewed) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot look at attempts/%s", name);
    int64_t now = server_now(dirfd);
    i.lease_left = lease - (double)(now - renewed) / BV_NSEC_PER_SEC;
    i.ended = has_end(dirfd, number, &ended_at);
    i.ended_s = i.ended ? (double)(now - ended_at) / BV_NSEC_PER_SEC : 0;
    int same_boot = strcmp(i.host.boot_id, host.boot_id) == 0;
    i.same_host = same_boot && strcmp(i.host.name, host.name) == 0;
    i.here = same_boot && i.host.pid_ns == host.pid_ns;
    /* What we can see counts more than the lease: a scheduler may suspend a job, supervisor and all, for days. */
    i.alive = !i.ended && (i.here ? bv_process_is(i.pid, i.start_time) : i.lease_left > 0);
    *ret = i;
    return 0;
}

int bv_attempt_last(const struct bv_job *j, struct bv_attempt_info *ret, struct bv_error *err)
{
    long highest;
    struct bv_attempt_info i;
    autoclose int dirfd = open_attempts(j, err);
    if (dirfd < 0 || find_highest(dirfd, &highest, err) < 0)
        return -1;
    if (highest < 0)
        return 0;
    if (read_attempt(dirfd, (unsigned)highest, &i, err) < 0 ||
        (i.ended && read_outcome(dirfd, i.number, &i.outcome, err) < 0))
        return bv_wrap(err, "job %s", j->id);
    *ret = i;
    return 1;
}

void bv_attempt_info_free(struct bv_attempt_info *i)
{
    json_decref(i->outcome);
    i->outcome = NULL;
}

struct seen {
    int dirfd;
    int64_t behind; /* our clock - the file server's */
    int64_t *at;
    size_t count;
};

static int look_at_attempt(const char *name, void *arg)
{
    struct seen *s = arg;
    unsigned number;
    int64_t renewed;
    if (bv_is_attempt(name, &number) && number < s->count && renewed_at(s->dirfd, name, &renewed) == 0)
        s->at[number] = renewed + s->behind;
    return 0;
}

int bv_attempt_seen(const struct bv_job *j, int64_t **ret, size_t *ret_count, struct bv_error *err)
{
    long highest;
    autofree int64_t *at = NULL;
    autoclose int dirfd = open_attempts(j, err);
    if (dirfd < 0 || find_highest(dirfd, &highest, err) < 0)
        return -1;
    at = bv_alloc((size_t)(highest + 2) * sizeof(*at));
    struct seen s = {dirfd, bv_clock_ns(CLOCK_REALTIME) - server_now(dirfd), at, (size_t)(highest + 1)};
    if (bv_dir_each(dirfd, look_at_attempt, &s, err) < 0)
        return -1;
    *ret = steal_ptr(&at);
    *ret_count = s.count;
    return 0;
}

/* May attempt `number` be succeeded? */
static int check_over(int dirfd, const char *job, unsigned number, int vouched, struct bv_error *err)
{
    struct bv_attempt_info i;
    if (vouched || has_end(dirfd, number, NULL))
        return 0;
    if (read_attempt(dirfd, number, &i, err) < 0)
        return bv_wrap(err, "job %s", job);
    if (!i.alive)
        return 0;
    if (i.here)
        return bv_fail(err, BV_EBUSY, 0, "job %s is run by process %d on this host (attempt %u)", job, (int)i.pid,
                       number);
    return bv_fail(err, BV_EBUSY, 0,
                   "job %s is run by process %d on host %s (attempt %u); if that is dead, its lease ends in %.0f s",
                   job, (int)i.pid, i.host.name, number, i.lease_left);
}

/* Who we are. */
static int describe_self(unsigned number, const char *socket_path, struct bv_attempt_info *ret, struct bv_error *err)
{
    struct bv_task self;
    struct bv_attempt_info i = {.number = number, .pid = getpid()};
    if (socket_path && strlen(socket_path) >= sizeof(i.socket_path))
        return bv_fail(err, BV_EINTERNAL, 0, "the path of the control socket is longer than %zu bytes: %s",
                       sizeof(i.socket_path) - 1, socket_path);
    snprintf(i.socket_path, sizeof(i.socket_path), "%s", socket_path ? socket_path : "");

    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open /proc");
    if (bv_host_read(&i.host, err) < 0 || bv_task_read(procfd, i.pid, &self, err) < 0)
        return -1;
    i.start_time = self.start_time;
    *ret = i;
    return 0;
}

int bv_attempt_claim(const struct bv_job *j, const struct bv_attempt_claim *how, struct bv_attempt *ret,
                     struct bv_error *err)
{
    long highest;
    char name[BV_LAYOUT_NAME];
    struct bv_attempt_info self;
    struct bv_error why = {0};
    double lease = how->lease > 0 ? how->lease : BV_LEASE_DEFAULT;
    if (lease > BV_LEASE_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "a lease of %.0f s is longer than a day", lease);

    autoclose int dirfd = open_attempts(j, err);
    if (dirfd < 0 || find_highest(dirfd, &highest, err) < 0)
        return -1;
    if (highest >= (long)BV_ATTEMPT_MAX)
        return bv_fail(err, BV_ESTORE, 0, "job %s has used up the numbers of attempts (%u)", j->id, BV_ATTEMPT_MAX);
    if (highest >= 0 && check_over(dirfd, j->id, (unsigned)highest, how->vouched, err) < 0)
        return -1;
    if (describe_self((unsigned)(highest + 1), how->socket_path, &self, err) < 0)
        return -1;

    autofree char *text = bv_attempt_file_build(j->id, &self, lease);
    bv_attempt_name(self.number, name);
    if (bv_publish(dirfd, name, text, strlen(text), 0, &why) < 0) {
        if (why.code == BV_EBUSY)
            return bv_fail(err, BV_EBUSY, 0, "job %s was claimed by another supervisor a moment ago", j->id);
        return bv_fail(err, why.code, 0, "job %s: %s", j->id, why.text);
    }

    struct bv_attempt a = {.number = self.number, .dirfd = dirfd, .lease = lease};
    if (bv_attempt_check(&a, err) < 0)
        return -1;
    a.dirfd = steal_fd(&dirfd);
    *ret = a;
    return 0;
}

int bv_attempt_check(const struct bv_attempt *a, struct bv_error *err)
{
    long highest;
    struct bv_attempt_info i;
    if (find_highest(a->dirfd, &highest, err) < 0)
        return -1;
    if (highest <= (long)a->number)
        return 0;
    if (read_attempt(a->dirfd, (unsigned)highest, &i, NULL) < 0)
        return bv_fail(err, BV_EFENCED, 0, "attempt %ld has taken over from attempt %u", highest, a->number);
    return bv_fail(err, BV_EFENCED, 0, "attempt %ld, process %d on host %s, has taken over from attempt %u", highest,
                   (int)i.pid, i.host.name, a->number);
}

int bv_attempt_is_newest(const struct bv_job *j, unsigned attempt, struct bv_error *err)
{
    autoclose int dirfd = open_attempts(j, err);
    if (dirfd < 0)
        return -1;
    return bv_attempt_check(&(struct bv_attempt){.number = attempt, .dirfd = dirfd}, err);
}

int bv_attempt_renew(const struct bv_attempt *a, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    bv_attempt_name(a->number, name);
    autoclose int fd = openat(a->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    /* Renewed first, looked second: whoever claims in between finds a fresh lease or is found. */
    if (fd < 0 || futimens(fd, NULL) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot renew the lease of attempt %u", a->number);
    return bv_attempt_check(a, err);
}

int bv_attempt_end(const struct bv_attempt *a, const json_t *outcome, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    struct bv_error why = {0};
    if (bv_attempt_check(a, err) < 0)
        return -1;
    bv_attempt_end_name(a->number, name);
    autofree char *text = bv_attempt_end_build(outcome);
    if (strlen(text) > BV_ATTEMPT_FILE_MAX)
        return bv_fail(err, BV_EINTERNAL, 0, "the outcome of attempt %u is too long", a->number);
    if (bv_publish(a->dirfd, name, text, strlen(text), 0, &why) == 0)
        return 0;
    if (why.code == BV_EBUSY)
        return bv_fail(err, BV_EENDED, 0, "attempt %u has an end already", a->number);
    return bv_fail(err, why.code, 0, "cannot record the end of attempt %u: %s", a->number, why.text);
}

void bv_attempt_close(struct bv_attempt *a)
{
    close_fd(&a->dirfd);
}
