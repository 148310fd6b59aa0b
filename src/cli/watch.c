/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/watch.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "job/client.h"

#define ANSWER_TIMEOUT 1 /* s, of all supervisors together */

static void watched_free(struct cmd_watched *w)
{
    free(w->job);
    cmd_job_state_free(&w->state);
    bv_timeline_free(&w->timeline);
    json_decref(w->status);
}

void cmd_watch_free(struct cmd_watch *w)
{
    for (size_t i = 0; i < w->jobs; i++)
        watched_free(&w->job[i]);
    for (size_t i = 0; i < w->stores; i++)
        free(w->path[i]);
    free(w->job);
    free(w->path);
    *w = (struct cmd_watch){0};
}

static int read_job(struct bv_store *s, int live, struct cmd_watched *w, struct bv_error *err)
{
    autojob struct bv_job job = {.dirfd = -1};
    if (bv_job_open(s, w->job, &job, err) < 0 || cmd_job_state(&job, &w->state, err) < 0)
        return -1;
    if (live && !cmd_is_live(w->state.state))
        return 0;
    return bv_timeline_read(&job, &w->timeline, err);
}

static void add_job(struct cmd_watch *all, struct bv_store *s, const char *path, const char *id, int live)
{
    struct cmd_watched w = {.store = path, .job = bv_strdup(id)};
    if (read_job(s, live, &w, &w.why) == 0)
        w.why.code = BV_OK;
    if (w.why.code == BV_ENOJOB || (live && !w.why.code && !cmd_is_live(w.state.state))) {
        watched_free(&w); /* deleted meanwhile, or of no interest */
        return;
    }
    all->job = bv_realloc(all->job, all->jobs + 1, sizeof(all->job[0]));
    all->job[all->jobs++] = w;
}

static int add_store(struct cmd_watch *all, const char *path, int live, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    char **ids = NULL;
    size_t n = 0;
    if (cmd_open_store(path, &store, err) < 0 || bv_job_list(&store, &ids, &n, err) < 0)
        return -1;
    all->path = bv_realloc(all->path, all->stores + 1, sizeof(all->path[0]));
    const char *kept = all->path[all->stores++] = bv_strdup(store.path);
    for (size_t i = 0; i < n; i++)
        add_job(all, &store, kept, ids[i], live);
    bv_job_list_free(ids, n);
    return 0;
}

static void ask_supervisors(struct cmd_watch *all)
{
    size_t n = 0;
    autofree struct bv_client_ask *ask = bv_alloc((all->jobs + 1) * sizeof(*ask));
    autofree size_t *of = bv_alloc((all->jobs + 1) * sizeof(*of));
    for (size_t i = 0; i < all->jobs; i++) {
        struct cmd_watched *w = &all->job[i];
        if (w->why.code || !cmd_is_live(w->state.state) || !w->state.last.here)
            continue;
        ask[n] = (struct bv_client_ask){.job = w->job, .attempt = &w->state.last};
        of[n++] = i;
    }
    bv_client_ask_all(ask, n, ANSWER_TIMEOUT);
    for (size_t i = 0; i < n; i++)
        all->job[of[i]].status = ask[i].status;
}

int cmd_watch_read(char *const *stores, int live, struct cmd_watch *ret, struct bv_error *err)
{
    autowatch struct cmd_watch all = {0};
    if (!stores && add_store(&all, NULL, live, err) < 0)
        return -1;
    for (; stores && *stores; stores++)
        if (add_store(&all, *stores, live, err) < 0)
            return -1;
    ask_supervisors(&all);
    *ret = all;
    all = (struct cmd_watch){0};
    return 0;
}

/* --- what is asked of them --- */

static double number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) && json_number_value(value) >= 0 ? json_number_value(value) : -1;
}

double cmd_watched_number(const struct cmd_watched *w, const char *key)
{
    return number_of(w->status, key);
}

double cmd_watched_next(const struct cmd_watched *w, const json_t **ret_why)
{
    const json_t *next = json_object_get(w->status, "next"), *why = json_object_get(next, "why");
    *ret_why = json_is_string(why) ? why : NULL;
    return number_of(next, "at");
}

double cmd_watched_elapsed(const struct cmd_watched *w)
{
    const struct bv_timeline *t = &w->timeline;
    const struct bv_timeline_attempt *a = t->attempts ? &t->attempt[t->attempts - 1] : NULL;
    if (!a || a->end != BV_ATTEMPT_ALIVE || !a->begun_ns)
        return -1;
    return (double)(a->ended_ns - a->begun_ns) / (double)BV_NSEC_PER_SEC;
}

const struct bv_timeline_checkpoint *cmd_watched_last(const struct cmd_watched *w)
{
    return w->timeline.checkpoints ? &w->timeline.checkpoint[w->timeline.checkpoints - 1] : NULL;
}

int cmd_take_list(const char *text, void *to, struct bv_error *err)
{
    (void)err;
    cmd_list_add(to, bv_strdup(text));
    return 0;
}
