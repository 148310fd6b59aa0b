/* SPDX-License-Identifier: Apache-2.0 */
/* One row, from its beginning to what is said of it. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/treecopy.h"
#include "config/settings.h"
#include "matrix/row_private.h"

#define STATUS_NOT_HERE 77
#define COPY_SUFFIX     "-copy"

/* --- what a program needs --- */

static int is_in_path(const char *name, size_t n)
{
    const char *path = getenv("PATH");
    for (const char *dir = path ? path : "/usr/bin:/bin"; *dir;) {
        size_t size = strcspn(dir, ":");
        autofree char *file = bv_asprintf("%.*s/%.*s", (int)size, dir, (int)n, name);
        if (access(file, X_OK) == 0)
            return 1;
        dir += size + (dir[size] == ':');
    }
    return 0;
}

/* Is one of "a|b" there? */
static int has_one(const char *names, size_t n)
{
    for (size_t used = 0; used < n;) {
        size_t size = 0;
        while (used + size < n && names[used + size] != '|')
            size++;
        if (is_in_path(names + used, size))
            return 1;
        used += size + 1;
    }
    return 0;
}

static int check_needs(struct row_run *r, struct bv_error *err)
{
    for (const char *need = r->row->needs; need && *need;) {
        size_t n = strcspn(need, " ");
        if (!has_one(need, n)) {
            r->result->outcome = MATRIX_NOT_HERE;
            return bv_fail(err, BV_ENOCMD, 0, "%.*s is not installed", (int)n, need);
        }
        need += n + strspn(need + n, " ");
    }
    return 0;
}

/* --- judging --- */

/* What of Bivouac's own statuses says no before anything was lost. */
static int is_refusal(int status)
{
    return status == BV_EBLOCKED || status == BV_EHOST || status == BV_ECHANGED || status == BV_ENODIR;
}

/* The words of an end that should not have been. */
static int fail_end(struct row_run *r, const struct row_attempt *a, const char *when, struct bv_error *err)
{
    autofree char *complaint = row_last_complaint(r), *words = row_last_words(r, a->work);
    if ((is_refusal(a->status) || a->status == BV_EDENIED) && complaint[0]) {
        r->result->outcome = MATRIX_REFUSED;
        return bv_fail(err, (enum bv_code)a->status, 0, "%s", complaint);
    }
    if (a->status == STATUS_NOT_HERE) {
        r->result->outcome = MATRIX_NOT_HERE;
        return bv_fail(err, BV_EHOST, 0, "%s", words);
    }
    const char *text = a->status >= BV_CHECKPOINTED && complaint[0] ? complaint : words;
    return bv_fail(err, BV_EENGINE, 0, "%s the job ended with status %d: %s", when, a->status, text);
}

static int await_ready(struct row_run *r, struct row_attempt *a, struct bv_error *err)
{
    int said = row_await_word(r, a, "ready", err);
    if (said != 0)
        return said < 0 ? -1 : 0;
    return fail_end(r, a, "before it was ready", err);
}

/* It ends as it should, or the program says what is lost, and preflight did before. */
static int await_good_end(struct row_run *r, struct row_attempt *a, const char *when, const char *lost,
                          struct bv_error *err)
{
    if (row_await_end(r, a, err) < 0)
        return -1;
    autofree char *words = row_last_words(r, a->work);
    if (a->status == 0 && strcmp(words, "ok") == 0) {
        r->result->outcome = MATRIX_WORKS;
        return 0;
    }
    if (a->status != 1 || !lost)
        return fail_end(r, a, when, err);
    r->result->outcome = MATRIX_LOST;
    snprintf(r->result->text, sizeof(r->result->text), "%s", lost);
    return 0;
}

/* The job goes on as if nobody had asked. */
static int refused(struct row_run *r, struct row_attempt *a, struct bv_error *why)
{
    struct bv_error err = {0};
    if (!is_refusal((int)why->code))
        return -1;
    if (row_touch(r, a->work, "go", &err) < 0 || await_good_end(r, a, "after that", NULL, &err) < 0) {
        r->result->outcome = MATRIX_FAILS;
        bv_fail(why, BV_EENGINE, 0, "%s; then: %s", why->text, err.text);
        return -1;
    }
    r->result->outcome = MATRIX_REFUSED;
    return -1;
}

/* --- the flows --- */

static int run_until_ready(struct row_run *r, struct row_attempt *a, int kill_it, struct bv_error *err)
{
    if (row_start(r, a, err) < 0 || await_ready(r, a, err) < 0)
        return -1;
    if (row_checkpoint(r, kill_it, err) < 0)
        return refused(r, a, err);
    if (!kill_it)
        return 0;
    if (row_await_end(r, a, err) < 0)
        return -1;
    return a->status == BV_CHECKPOINTED ? 0 : fail_end(r, a, "when it was checkpointed", err);
}

static int go_on(struct row_run *r, const char *work, struct row_attempt *a, struct bv_error *err)
{
    autofree char *lost = r->row->lost ? row_finding(r, r->row->lost) : NULL;
    if (row_restart(r, work, NULL, a, err) < 0 || row_touch(r, work, "go", err) < 0)
        return -1;
    return await_good_end(r, a, "after the restart", lost, err);
}

static int play_restart(struct row_run *r, struct row_attempt a[2], struct bv_error *err)
{
    if (run_until_ready(r, &a[0], 1, err) < 0)
        return -1;
    return go_on(r, ROW_WORK, &a[0], err);
}

static int play_move(struct row_run *r, struct row_attempt a[2], struct bv_error *err)
{
    if (run_until_ready(r, &a[0], 1, err) < 0)
        return -1;
    if (renameat(r->dirfd, ROW_WORK, r->dirfd, "moved") < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot rename a directory in %s", r->dir);
    return go_on(r, "moved", &a[0], err);
}

static int copy_work(const struct row_run *r, struct bv_error *err)
{
    struct bv_tree_copy how = {0};
    if (mkdirat(r->dirfd, "copy", 0700) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a directory in %s", r->dir);
    autoclose int from = openat(r->dirfd, ROW_WORK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclose int to = openat(r->dirfd, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return bv_tree_copy(from, to, &how, NULL, err);
}

static int play_copy(struct row_run *r, struct row_attempt a[2], struct bv_error *err)
{
    autofree char *copy = bv_asprintf("%s%s", r->row->name, COPY_SUFFIX);
    if (run_until_ready(r, &a[0], 0, err) < 0 || copy_work(r, err) < 0 ||
        row_restart(r, "copy", copy, &a[1], err) < 0 || row_touch(r, "copy", "go", err) < 0 ||
        await_good_end(r, &a[1], "after the restart", NULL, err) < 0)
        return -1;
    r->result->outcome = MATRIX_FAILS; /* one of two */
    if (row_touch(r, ROW_WORK, "go", err) < 0)
        return -1;
    return await_good_end(r, &a[0], "after its copy", NULL, err);
}

static int play_crash(struct row_run *r, struct row_attempt a[2], struct bv_error *err)
{
    if (run_until_ready(r, &a[0], 0, err) < 0 || row_touch(r, ROW_WORK, "on", err) < 0)
        return -1;
    int said = row_await_word(r, &a[0], "on", err);
    if (said <= 0)
        return said < 0 ? -1 : fail_end(r, &a[0], "after its checkpoint", err);
    row_crash(r, &a[0]);
    if (row_untouch(r, ROW_WORK, "on", err) < 0)
        return -1;
    return go_on(r, ROW_WORK, &a[0], err);
}

static int prepare(struct row_run *r, struct bv_error *err)
{
    if (row_prepare(r, err) == 0 && row_start_beside(r, err) == 0)
        return 0;
    r->result->outcome = MATRIX_NOT_HERE;
    return -1;
}

static int play(struct row_run *r, struct row_attempt a[2], struct bv_error *err)
{
    static int (*const flows[])(struct row_run *, struct row_attempt[2], struct bv_error *) = {
        [MATRIX_RESTART] = play_restart,
        [MATRIX_MOVE] = play_move,
        [MATRIX_COPY] = play_copy,
        [MATRIX_CRASH] = play_crash,
    };
    return flows[r->row->flow](r, a, err);
}

/* --- all of it --- */

/* The user's own settings shall make no difference; what the site says holds here, too. */
static void set_environment(const struct matrix *m)
{
    unsetenv("BIVOUAC_CONFIG");
    for (const struct bv_setting *s = bv_setting_table; s->key; s++) {
        autofree char *name = bv_setting_variable(s);
        unsetenv(name);
    }
    bv_scratch_sockets(m->scratch);
}

static int set_up(struct row_run *r, struct bv_error *err)
{
    const char *base = r->m->scratch->path;
    r->dir = bv_asprintf("%s/%s", base, r->row->name);
    r->store = bv_asprintf("%s/store", base);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || mkdir(r->dir, 0700) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot set up %s", r->dir);
    r->dirfd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dirfd < 0 || mkdirat(r->dirfd, ROW_WORK, 0700) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot set up %s", r->dir);
    set_environment(r->m);
    return 0;
}

/* A refusal's last words are the engine's, in parentheses: they are of use to us, not to who reads a table. */
static void drop_engine(char *text)
{
    size_t n = strlen(text);
    int depth = 0;
    if (n == 0 || text[n - 1] != ')')
        return;
    while (n-- > 1) {
        depth += (text[n] == ')') - (text[n] == '(');
        if (depth == 0 && text[n - 1] == ' ') {
            text[n - 1] = '\0';
            return;
        }
    }
}

void matrix_row_run(const struct matrix *m, const struct matrix_row *row, struct matrix_result *ret)
{
    struct bv_error err = {0};
    struct row_attempt attempt[2] = {0};
    int64_t begun = bv_clock_ns(CLOCK_MONOTONIC);
    *ret = (struct matrix_result){.outcome = MATRIX_FAILS, .frozen = -1};
    struct row_run r = {.m = m, .row = row, .result = ret, .dirfd = -1, .deadline = bv_deadline_in(m->timeout)};
    if (check_needs(&r, &err) < 0 || set_up(&r, &err) < 0 || prepare(&r, &err) < 0 || play(&r, attempt, &err) < 0) {
        snprintf(ret->text, sizeof(ret->text), "%s", err.text);
        if (ret->outcome == MATRIX_WORKS || ret->outcome == MATRIX_LOST)
            ret->outcome = MATRIX_FAILS;
    }
    if (ret->outcome == MATRIX_REFUSED)
        drop_engine(ret->text);
    for (size_t i = 0; i < 2; i++)
        if (attempt[i].pid > 0)
            kill(attempt[i].pid, SIGKILL);
    if (r.beside > 0)
        kill(r.beside, SIGKILL);
    r.beside = 0;
    row_crash(&r, &attempt[0]);
    close_fd(&r.dirfd);
    free(r.dir);
    free(r.store);
    ret->seconds = (double)(bv_clock_ns(CLOCK_MONOTONIC) - begun) / 1e9;
}
