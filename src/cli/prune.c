/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/summary.h"
#include "job/retain.h"
#include "job/runtime.h"
#include "store/event.h"
#include "store/leftover.h"
#include "store/pin.h"

/* How long nothing must have been heard of what may still be at work on another host. A lease says when another may
 * take over; to remove things there is no hurry. */
#define SILENCE_S 3600.0

#define SOCKET_WHY "control socket of a supervisor that is gone"

static const char *const kind_names[] = {
    [PRUNE_CHECKPOINT] = "checkpoint",
    [PRUNE_JOB] = "job",
    [PRUNE_LEFTOVER] = "leftover",
    [PRUNE_SOCKET] = "socket",
};

const char *prune_kind_name(enum prune_kind kind)
{
    return kind_names[kind];
}

char *prune_item_name(const struct prune_item *i)
{
    switch (i->kind) {
    case PRUNE_CHECKPOINT:
        return bv_asprintf("%s@%u", i->job, i->generation);
    case PRUNE_JOB:
        return bv_strdup(i->job);
    case PRUNE_LEFTOVER:
        return i->job[0] ? bv_asprintf("%s/%s", i->job, i->name) : bv_strdup(i->name);
    case PRUNE_SOCKET:
        break;
    }
    return bv_strdup(i->name);
}

/* Takes `why`. */
static struct prune_item *add(struct prune_plan *p, enum prune_kind kind, const char *job, char *why, uint64_t bytes)
{
    p->items = bv_realloc(p->items, p->count + 1, sizeof(*p->items));
    struct prune_item *i = &p->items[p->count++];
    *i = (struct prune_item){.kind = kind, .why = why, .bytes = bytes};
    snprintf(i->job, sizeof(i->job), "%s", job);
    return i;
}

void prune_skip(struct prune_plan *p, const char *job, int lives, char *why)
{
    p->skipped = bv_realloc(p->skipped, p->skipped_count + 1, sizeof(*p->skipped));
    struct prune_skipped *s = &p->skipped[p->skipped_count++];
    *s = (struct prune_skipped){.why = why, .lives = lives};
    snprintf(s->job, sizeof(s->job), "%s", job);
}

void prune_add_job(struct prune_plan *p, const struct bv_job *job, char *why, int unended)
{
    autousage struct bv_usage usage = {0};
    uint64_t bytes = bv_usage_read(job, &usage, NULL) == 0 ? bv_usage_total(&usage) : 0;
    add(p, PRUNE_JOB, job->id, why, bytes)->unended = unended;
}

void prune_free(struct prune_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->items[i].name);
        free(plan->items[i].why);
    }
    for (size_t i = 0; i < plan->skipped_count; i++)
        free(plan->skipped[i].why);
    free(plan->items);
    free(plan->skipped);
    *plan = (struct prune_plan){0};
}

/* --- jobs --- */

char *prune_why_busy(const struct cmd_job_state *s)
{
    if (s->state == CMD_NEW)
        return bv_strdup("it has not been started yet");
    if (cmd_is_live(s->state))
        return bv_asprintf("it runs on host %s (pid %d)", s->last.host.name, (int)s->last.pid);
    if (s->state == CMD_INTERRUPTED && !s->last.here && s->last.lease_left > -SILENCE_S)
        return bv_asprintf("it was run on host %s, which may only be cut off: an hour is waited", s->last.host.name);
    return NULL;
}

/* What the last attempt was told to keep, which the history says; what it does not say comes from the settings here. An
 * option of the command counts for all. */
static struct bv_retention policy_of(const struct bv_job *job, const struct bv_settings *settings)
{
    struct bv_retention p = bv_retention_of(settings);
    autojson json_t *events = NULL;
    if (bv_event_read(job, &events, NULL) == 0)
        for (size_t i = json_array_size(events); i-- > 0;)
            if (bv_retention_parse(json_object_get(json_array_get(events, i), "retention"), &p) == 0)
                break;
    bv_retention_override(settings, &p);
    return p;
}

static int ended_well(const struct cmd_job_state *s)
{
    const char *status = json_string_value(json_object_get(s->last.outcome, "status"));
    return s->state == CMD_ENDED && status && strcmp(status, "exited") == 0 &&
           json_integer_value(json_object_get(s->last.outcome, "number")) == 0;
}

static int find_checkpoints(struct bv_store *store, const struct bv_job *job, const struct cmd_job_state *state,
                            const struct prune_request *r, struct prune_plan *plan, struct bv_error *err)
{
    struct bv_retention policy = policy_of(job, r->settings);
    struct bv_retainer retainer = {.store = store, .job = job, .policy = &policy};
    autofree struct bv_retained *list = NULL;
    autousage struct bv_usage usage = {0};
    size_t n, gone = 0;
    if (bv_retain_list(&retainer, &list, &n, err) < 0 || bv_usage_read(job, &usage, err) < 0)
        return -1;
    int success = ended_well(state) && !policy.keep_on_success;
    if (success)
        bv_retention_decide_success(list, n);
    else
        bv_retention_decide(&policy, list, n);

    autofree unsigned *numbers = bv_alloc((n + 1) * sizeof(*numbers));
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].kept_by)
            continue;
        numbers[gone++] = list[i].number;
        uint64_t freed = bv_usage_freed(&usage, numbers, gone);
        char *why =
            success ? bv_strdup("the job has ended with success") : bv_asprintf("one too many (keep %u)", policy.keep);
        add(plan, PRUNE_CHECKPOINT, job->id, why, freed - before)->generation = list[i].number;
        before = freed;
    }
    return 0;
}

/* Is the job to go as a whole? */
static int find_old(const struct bv_job *job, const struct cmd_job_state *state, const struct prune_request *r,
                    struct prune_plan *plan)
{
    char age[24];
    if (r->older_than < 0 || state->state != CMD_ENDED || state->last.ended_s <= r->older_than)
        return 0;
    if (bv_pin_any(job)) {
        prune_skip(plan, job->id, 0, bv_strdup("it is old enough, but a checkpoint of it is pinned"));
        return 0;
    }
    cmd_age_text(bv_clock_ns(CLOCK_REALTIME) - (int64_t)(state->last.ended_s * BV_NSEC_PER_SEC), age);
    prune_add_job(plan, job, bv_asprintf("ended %s ago", age), 0);
    return 1;
}

/* Takes the names of `l`. */
static void add_leftovers(struct prune_plan *plan, const char *job, struct bv_leftovers *l)
{
    for (size_t i = 0; i < l->count; i++)
        add(plan, PRUNE_LEFTOVER, job, bv_strdup(l->list[i].why), l->list[i].bytes)->name = steal_ptr(&l->list[i].name);
    bv_leftovers_free(l);
}

/* The supervisor that made it is known to be dead. */
static void find_socket(const struct cmd_job_state *state, struct prune_plan *plan)
{
    if (state->last.here && bv_runtime_has(state->last.socket_path))
        add(plan, PRUNE_SOCKET, "", bv_strdup(SOCKET_WHY), 0)->name = bv_strdup(state->last.socket_path);
}

static int find_in_job(struct bv_store *s, const char *id, const struct prune_request *r, struct prune_plan *plan,
                       struct bv_error *err)
{
    autojob struct bv_job job = {.dirfd = -1};
    autostate struct cmd_job_state state = {0};
    struct bv_leftovers left = {0};
    if (bv_job_open(s, id, &job, err) < 0 || cmd_job_state(&job, &state, err) < 0)
        return -1;
    char *busy = prune_why_busy(&state);
    if (busy) {
        prune_skip(plan, id, cmd_is_live(state.state), busy);
        return 0;
    }
    if (find_old(&job, &state, r, plan))
        return 0;
    find_socket(&state, plan);
    if (find_checkpoints(s, &job, &state, r, plan, err) < 0 || bv_leftovers_of_job(&job, &left, err) < 0)
        return -1;
    add_leftovers(plan, id, &left);
    return 0;
}

/* --- all --- */

static int has_socket(const struct prune_plan *plan, const char *path)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].kind == PRUNE_SOCKET && strcmp(plan->items[i].name, path) == 0)
            return 1;
    return 0;
}

static int find_sockets(struct prune_plan *plan, struct bv_error *err)
{
    char **paths = NULL;
    size_t n = 0;
    if (bv_runtime_stale(&paths, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (has_socket(plan, paths[i]))
            free(paths[i]);
        else
            add(plan, PRUNE_SOCKET, "", bv_strdup(SOCKET_WHY), 0)->name = paths[i];
    free(paths);
    return 0;
}

static int find_all(struct bv_store *s, const struct prune_request *r, struct prune_plan *plan, struct bv_error *err)
{
    char **ids = NULL;
    size_t n = 0;
    struct bv_leftovers left = {0};
    if (bv_job_list(s, &ids, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct bv_error e = {0};
        /* One that cannot be read must not keep the others from being tidied. */
        if (find_in_job(s, ids[i], r, plan, &e) < 0 && e.code != BV_ENOJOB)
            prune_skip(plan, ids[i], 0, bv_strdup(e.text));
    }
    bv_job_list_free(ids, n);
    if (bv_leftovers_of_store(s, SILENCE_S, &left, err) < 0)
        return -1;
    add_leftovers(plan, "", &left);
    return find_sockets(plan, err);
}

int prune_find(struct bv_store *s, const struct prune_request *r, struct prune_plan *ret, struct bv_error *err)
{
    struct prune_plan plan = {0};
    int rc = r->jobs && *r->jobs ? 0 : find_all(s, r, &plan, err);
    for (char **id = r->jobs; rc == 0 && id && *id; id++)
        rc = find_in_job(s, *id, r, &plan, err);
    if (rc < 0)
        prune_free(&plan);
    else
        *ret = plan;
    return rc;
}

static int remove_checkpoint(const struct bv_job *job, const struct prune_item *i, unsigned attempt,
                             struct bv_error *err)
{
    if (bv_generation_remove(job, i->generation, err) < 0)
        return -1;
    autojson json_t *fields = json_pack("{s:i, s:s}", "generation", (int)i->generation, "why", "prune");
    bv_event_append(job, "removed", attempt, fields, NULL);
    return 0;
}

/* Time has passed since it was found: whatever speaks against it is looked at again. */
static int remove_of_job(struct bv_store *s, const struct prune_item *i, struct bv_error *err)
{
    autojob struct bv_job job = {.dirfd = -1};
    autostate struct cmd_job_state state = {0};
    if (bv_job_open(s, i->job, &job, err) < 0 || cmd_job_state(&job, &state, err) < 0)
        return -1;
    autofree char *busy = prune_why_busy(&state);
    if (busy || (i->kind == PRUNE_JOB && ((state.state != CMD_ENDED && !i->unended) || bv_pin_any(&job))))
        return bv_fail(err, BV_EBUSY, 0, "job %s is left alone: %s", i->job,
                       busy ? busy : "it has been run again, or pinned, just now");
    switch (i->kind) {
    case PRUNE_CHECKPOINT:
        return remove_checkpoint(&job, i, state.last.number, err);
    case PRUNE_LEFTOVER:
        return bv_leftover_remove(s, &job, i->name, err);
    default:
        bv_runtime_forget(state.last.socket_path);
        return bv_job_delete(s, i->job, err);
    }
}

static int remove_item(struct bv_store *s, const struct prune_item *i, struct bv_error *err)
{
    if (i->job[0])
        return remove_of_job(s, i, err);
    if (i->kind == PRUNE_LEFTOVER)
        return bv_leftover_remove(s, NULL, i->name, err);
    bv_runtime_forget(i->name);
    return 0;
}

void prune_carry_out(struct bv_store *s, struct prune_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        plan->items[i].removed = remove_item(s, &plan->items[i], &plan->items[i].error) == 0;
}
