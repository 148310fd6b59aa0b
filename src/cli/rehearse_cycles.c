/* SPDX-License-Identifier: Apache-2.0 */
/* The runs of a rehearsal: undisturbed, and with checkpoints, ends and restarts. */
#include "cli/rehearse.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/treecopy.h"
#include "store/store.h"

/* After so many times the undisturbed duration, and that, a run is taken to hang. */
#define HANG_FACTOR 10
#define HANG_GRACE  120.0 /* s: checkpoints and restarts cost, and the machine may be busy */

/* Shares of the undisturbed duration in which the moments are chosen. A run that ends before the last moment was worth
 * less than it could be; it is made again, with earlier ones. */
static const double shares[] = {0.8, 0.4, 0.15};
#define TRIES (sizeof(shares) / sizeof(shares[0]))

__attribute__((format(printf, 2, 3))) static void progress(const struct rehearsal *r, const char *fmt, ...)
{
    va_list ap;
    if (!r->options->tell)
        return;
    fputs("\r\033[K", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fflush(stderr);
}

void rehearse_run_free(struct rehearse_run *run)
{
    for (int i = 0; i < run->cycles; i++)
        json_decref(run->cycle[i].result);
    free(run->cycle);
    *run = (struct rehearse_run){0};
}

static double seconds_since(int64_t begun_ns)
{
    return (double)(bv_clock_ns(CLOCK_MONOTONIC) - begun_ns) / 1e9;
}

/* Before that share of the time a command is still being started, and has nothing to lose. */
#define EARLIEST 0.2

static double random_moment(double most)
{
    uint32_t n = 0;
    if (getrandom(&n, sizeof(n), 0) != sizeof(n))
        n = (uint32_t)bv_clock_ns(CLOCK_MONOTONIC);
    return most * (EARLIEST + (1 - EARLIEST) * ((double)n / UINT32_MAX));
}

/* --- the directory --- */

static int interrupted(void *arg)
{
    return rehearse_nap(arg, NULL) < 0;
}

static int stat_id(const char *path, struct bv_tree_id *ret)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return 0;
    *ret = (struct bv_tree_id){.dev = st.st_dev, .ino = st.st_ino};
    return 1;
}

int rehearse_copy(struct rehearsal *r, const char *name, struct bv_error *err)
{
    struct bv_tree_id skip[2];
    const char *named = r->options->settings.store;
    autofree char *store = named ? bv_strdup(named) : NULL;
    size_t skipped = (size_t)stat_id(r->scratch.path, &skip[0]);
    /* Checkpoints of other jobs are not what a command works on. */
    if (store || bv_store_default_path(&store, NULL) == 0)
        skipped += (size_t)stat_id(store, &skip[skipped]);
    struct bv_tree_copy how = {
        .limit = r->options->limit, .skip = skip, .skip_count = skipped, .interrupted = interrupted, .arg = r};

    progress(r, "copying %s ...", r->options->dir);
    struct stat st;
    autoclose int from = open(r->options->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0 || fstat(from, &st) < 0)
        return bv_fail(err, BV_ENODIR, errno, "cannot open %s", r->options->dir);
    if (mkdirat(r->scratch.dirfd, name, 0700) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create a directory in %s", r->scratch.path);
    autoclose int to = openat(r->scratch.dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct bv_error why = {0};
    if (to < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open a directory in %s", r->scratch.path);
    if (bv_tree_copy(from, to, &how, NULL, &why) < 0) {
        if (rehearse_nap(r, err) < 0)
            return -1;
        return bv_fail(err, why.code, 0, "cannot copy %s: %s%s", r->options->dir, why.text,
                       why.code == BV_EUSAGE     ? "; name a smaller one with --dir, or raise --copy-limit"
                       : why.code == BV_ENOSPACE ? "; name a place with more room with --scratch"
                                                 : "");
    }
    return fchmod(to, st.st_mode & 07777) < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot set a mode") : 0;
}

/* Everything has the same paths in each run: the copy, the standard files, the store. */
static int set_stage(struct rehearsal *r, const char *name, struct bv_error *err)
{
    int dir = r->scratch.dirfd;
    if (renameat(dir, name, dir, "work") < 0 || mkdirat(dir, "io", 0700) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot set up %s", r->scratch.path);
    return 0;
}

static int clear_stage(struct rehearsal *r, const char *name, struct bv_error *err)
{
    int dir = r->scratch.dirfd;
    autofree char *io = bv_asprintf("%s.io", name);
    if (renameat(dir, "work", dir, name) < 0 || renameat(dir, "io", dir, io) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot clear %s", r->scratch.path);
    return bv_scratch_drop(&r->scratch, "store", err);
}

/* --- one run --- */

/* Wait until the attempt ends or `seconds` are over (< 0 = as long as it takes). 1 = it has ended. */
static int wait_some(struct rehearsal *r, struct rehearse_attempt *a, double seconds, struct bv_outcome *outcome,
                     struct bv_error *err)
{
    struct bv_error failure = {0};
    int64_t begun = bv_clock_ns(CLOCK_MONOTONIC);
    for (;;) {
        if (rehearse_ended(a, outcome, &failure))
            return failure.code ? bv_fail(err, failure.code, 0, "%s", failure.text) : 1;
        if (seconds >= 0 && seconds_since(begun) >= seconds)
            return 0;
        if (rehearse_nap(r, err) < 0)
            return -1;
    }
}

static int run_undisturbed(struct rehearsal *r, struct rehearse_run *run, struct bv_error *err)
{
    struct rehearse_attempt a = {.report = -1};
    int64_t begun = bv_clock_ns(CLOCK_MONOTONIC);
    progress(r, "running the command undisturbed ...");
    if (rehearse_start(r, &a, err) < 0)
        return -1;
    int rc = wait_some(r, &a, -1, &run->outcome, err);
    rehearse_crash(&a);
    run->seconds = seconds_since(begun);
    return rc < 0 ? -1 : 0;
}

int rehearse_undisturbed(struct rehearsal *r, const char *name, struct rehearse_run *ret, struct bv_error *err)
{
    struct rehearse_run run = {0};
    if (set_stage(r, name, err) < 0 || run_undisturbed(r, &run, err) < 0 || clear_stage(r, name, err) < 0)
        return -1;
    *ret = run;
    return 0;
}

/* Let the attempt run for a moment, then interrupt it. 1 = the command has ended before. */
static int interrupt(struct rehearsal *r, struct rehearse_attempt *a, double most, struct rehearse_run *run,
                     struct bv_error *err)
{
    struct rehearse_cycle c = {.at = random_moment(most), .crash = run->cycles % 2};
    progress(r, "cycle %d of %d: %s after %.1f s ...", run->cycles + 1, r->options->cycles,
             c.crash ? "checkpoint, then a crash," : "checkpoint and end", c.at);
    int got = wait_some(r, a, c.at, &run->outcome, err);
    if (got != 0)
        return got;
    if (rehearse_checkpoint(r, a, !c.crash, &c.result, err) < 0)
        return -1;
    /* The end of the attempt: by the checkpoint, by the crash some time later, or by itself. */
    if (c.result)
        got = wait_some(r, a, c.crash ? random_moment(most / 2) : -1, &run->outcome, err);
    else
        got = wait_some(r, a, -1, &run->outcome, err);
    int over = got == 1 && run->outcome.how != BV_ENDED_CHECKPOINTED;
    if (got < 0 || over || !c.result) {
        json_decref(c.result);
        return got < 0 ? -1 : 1;
    }
    rehearse_crash(a);
    run->cycle[run->cycles++] = c;
    return 0;
}

static int run_disturbed(struct rehearsal *r, double most, struct rehearse_run *run, struct bv_error *err)
{
    int64_t begun = bv_clock_ns(CLOCK_MONOTONIC);
    int over = 0;
    run->cycle = bv_alloc((size_t)r->options->cycles * sizeof(run->cycle[0]));
    while (!over) {
        struct rehearse_attempt a = {.report = -1};
        if (rehearse_start(r, &a, err) < 0)
            return -1;
        if (run->cycles < r->options->cycles) {
            over = interrupt(r, &a, most, run, err);
        } else {
            progress(r, "waiting for the command to end ...");
            over = wait_some(r, &a, -1, &run->outcome, err);
        }
        rehearse_crash(&a);
    }
    run->seconds = seconds_since(begun);
    return over < 0 ? -1 : 0;
}

/* As run_disturbed(), with an end for one that would never come to it. */
static int run_bounded(struct rehearsal *r, double duration, double share, struct rehearse_run *run,
                       struct bv_error *err)
{
    struct bv_deadline whole = r->deadline, hang = bv_deadline_in(HANG_FACTOR * duration + HANG_GRACE);
    struct bv_error why = {0};
    if (hang.at_ns < whole.at_ns)
        r->deadline = hang;
    int rc = run_disturbed(r, share * duration / (r->options->cycles + 1), run, &why);
    r->deadline = whole;
    if (rc == 0)
        return 0;
    if (why.code == BV_ETIMEOUT && hang.at_ns < whole.at_ns)
        return bv_fail(err, BV_EDIFFERS, 0,
                       "after %d restarts the command did not end within %.0f s; undisturbed it takes "
                       "%.1f s",
                       run->cycles, HANG_FACTOR * duration + HANG_GRACE, duration);
    return bv_fail(err, why.code, 0, "%s", why.text);
}

int rehearse_disturbed(struct rehearsal *r, const char *name, double duration, struct rehearse_run *ret,
                       struct bv_error *err)
{
    for (size_t try = 0; try < TRIES; try++) {
        struct rehearse_run run = {0};
        if ((try > 0 && rehearse_copy(r, name, err) < 0) || set_stage(r, name, err) < 0)
            return -1;
        int rc = run_bounded(r, duration, shares[try], &run, err);
        if (rc == 0)
            rc = clear_stage(r, name, err);
        if (rc < 0 || run.cycles == r->options->cycles || try + 1 == TRIES) {
            *ret = run; /* also on failure: how far it came */
            return rc;
        }
        rehearse_run_free(&run);
        autofree char *io = bv_asprintf("%s.io", name);
        if (bv_scratch_drop(&r->scratch, name, err) < 0 || bv_scratch_drop(&r->scratch, io, err) < 0)
            return -1;
    }
    return 0;
}
