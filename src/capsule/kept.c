/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the job has deleted while they were in use: src/preload/keep.c moves them aside, and here they go. */
#include "capsule/kept.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "preload/place.h"

#define SOON  (BV_NSEC_PER_SEC / 10) /* behind a deletion: its file may not be in use at all */
#define AGAIN BV_NSEC_PER_SEC        /* to look at those that were in use */

static int make_places(const char *above, const char *deleted, struct bv_error *err)
{
    if (mkdir(above, 0700) < 0 || mkdir(deleted, 0700) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot create %s in the job's namespaces", deleted);
    return 0;
}

/* The job uses a copy of its own: it is part of each checkpoint, and outlives an update of Bivouac. */
static int copy_library(const char *from, struct bv_error *err)
{
    struct stat st;
    autoclose int in = open(from, O_RDONLY | O_CLOEXEC);
    autoclose int out = open(BV_KEEP_LIBRARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
    if (in < 0 || fstat(in, &st) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot read %s (is Bivouac installed as a whole? see --preload)", from);
    if (out < 0 || bv_copy_file(in, out, st.st_size, NULL) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot create %s in the job's namespaces", BV_KEEP_LIBRARY);
    return 0;
}

int capsule_kept_prepare(const struct bv_capsule_config *config, struct capsule_kept *ret, struct bv_error *err)
{
    *ret = (struct capsule_kept){.watch = -1, .private_tmp = config->private_tmp};
    if (!config->preload)
        return 0;
    if (make_places(BV_KEEP_SHM, BV_KEPT_SHM, err) < 0 || copy_library(config->preload, err) < 0 ||
        (config->private_tmp && make_places(BV_KEEP_TMP, BV_KEPT_TMP, err) < 0))
        return -1;
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch < 0 || inotify_add_watch(watch, BV_KEPT_SHM, IN_MOVED_TO | IN_CREATE) < 0 ||
        (config->private_tmp && inotify_add_watch(watch, BV_KEPT_TMP, IN_MOVED_TO | IN_CREATE) < 0))
        return bv_fail(err, BV_EHOST, errno, "cannot watch %s", BV_KEPT_SHM);
    ret->watch = watch;
    return 0;
}

/* Has nobody else the file open or mapped? Only then does the kernel give a lease for it. */
static int is_unused(int dir, const char *name)
{
    autoclose int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0 && fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
}

/* How many files stay. */
static unsigned empty(const char *place)
{
    unsigned left = 0;
    autoclosedir DIR *dir = opendir(place);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (!is_unused(dirfd(dir), e->d_name) || unlinkat(dirfd(dir), e->d_name, 0) < 0)
            left++;
    }
    return left;
}

void capsule_kept_sweep(struct capsule_kept *k, int busy)
{
    char events[4096];
    int64_t now = bv_clock_ns(CLOCK_MONOTONIC);
    while (k->watch >= 0 && read(k->watch, events, sizeof(events)) > 0)
        if (!k->due_ns || k->due_ns > now + SOON)
            k->due_ns = now + SOON;
    if (busy || !k->due_ns || now < k->due_ns)
        return;
    unsigned left = empty(BV_KEPT_SHM) + (k->private_tmp ? empty(BV_KEPT_TMP) : 0);
    k->due_ns = left > 0 ? now + AGAIN : 0;
}

int capsule_kept_timeout(const struct capsule_kept *k, int busy)
{
    if (busy || !k->due_ns)
        return -1;
    int64_t left = k->due_ns - bv_clock_ns(CLOCK_MONOTONIC);
    return left > 0 ? (int)(left / 1000000) + 1 : 0;
}
