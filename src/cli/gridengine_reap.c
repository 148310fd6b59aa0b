/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that Grid Engine does not know any more, and that have not come to their own end: deleted ones, mostly. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/gridengine.h"
#include "cli/prune.h"
#include "sched/gridengine/qstat.h"
#include "store/pin.h"

/* How long nothing has been heard of the last attempt; < 0 if that cannot be told. */
static double silence(const struct bv_job *job)
{
    autofree int64_t *seen = NULL;
    size_t n = 0;
    if (bv_attempt_seen(job, &seen, &n, NULL) < 0 || n == 0 || seen[n - 1] == 0)
        return -1;
    return (double)(bv_clock_ns(CLOCK_REALTIME) - seen[n - 1]) / BV_NSEC_PER_SEC;
}

static int look(struct bv_store *s, const char *id, const struct cmd_gridengine_reap *o, struct prune_plan *plan,
                struct bv_error *err)
{
    autojob struct bv_job job = {.dirfd = -1};
    autostate struct cmd_job_state state = {0};
    if (bv_job_open(s, id, &job, err) < 0 || cmd_job_state(&job, &state, err) < 0)
        return -1;
    if (state.state == CMD_ENDED)
        return 0; /* nothing is left over of it; "prune --older-than" is for these */
    char *busy = prune_why_busy(&state);
    double quiet = silence(&job);
    if (busy)
        prune_skip(plan, id, cmd_is_live(state.state), busy);
    else if (quiet < o->older_than)
        prune_skip(plan, id, 0, bv_asprintf("it ran until %.0f s ago, and %.0f s are waited", quiet, o->older_than));
    else if (bv_pin_any(&job))
        prune_skip(plan, id, 0, bv_strdup("a checkpoint of it is pinned"));
    else
        prune_add_job(plan, &job, bv_strdup("Grid Engine does not know it any more"), 1);
    return 0;
}

static int find(struct bv_store *s, const struct cmd_gridengine_reap *o, struct prune_plan *plan, struct bv_error *err)
{
    struct bv_gridengine_known known = {0};
    char **ids = NULL;
    size_t n = 0;
    /* First the store: a job that is submitted in between is known, then. */
    if (bv_job_list(s, &ids, &n, err) < 0)
        return -1;
    int rc = bv_gridengine_known(&known, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct bv_gridengine_id id;
        struct bv_error e = {0};
        if (bv_gridengine_name_parse(ids[i], &id) && !bv_gridengine_knows(&known, id.job) &&
            look(s, ids[i], o, plan, &e) < 0 && e.code != BV_ENOJOB)
            prune_skip(plan, ids[i], 0, bv_strdup(e.text));
    }
    bv_gridengine_known_free(&known);
    bv_job_list_free(ids, n);
    return rc;
}

int cmd_gridengine_reap(const struct cmd_gridengine_reap *o)
{
    struct bv_error err = {0};
    struct prune_plan plan = {0};
    autostore struct bv_store s = {.dirfd = -1, .jobsfd = -1};
    if (cmd_open_store(o->store, &s, &err) < 0 || find(&s, o, &plan, &err) < 0)
        return cmd_fail(&err, o->json);
    if (o->yes)
        prune_carry_out(&s, &plan);
    int status = prune_tell(&s, &plan, o->yes, o->json);
    prune_free(&plan);
    return status;
}
