/* SPDX-License-Identifier: Apache-2.0 */
/* Which checkpoint to go on from, and going on from it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/capture.h"
#include "job/supervisor_private.h"
#include "job/unpack.h"
#include "store/pin.h"

void restart_free(struct supervisor *s, struct restart *r)
{
    if (r->staging >= 0)
        bv_staging_remove(&s->job, s->attempt.number, NULL);
    close_fd(&r->staging);
    json_decref(r->content);
    *r = (struct restart){.staging = -1};
}

/* Stage everything. */
static int unpack(struct supervisor *s, struct bv_gen *g, int *ret_staging, struct bv_error *err)
{
    autoclose int staging = -1;
    bv_staging_remove(&s->job, s->attempt.number, NULL);
    if (bv_staging_create(&s->job, s->attempt.number, &staging, err) < 0 || bv_unpack(g, s->engine, staging, err) < 0)
        return -1;
    *ret_staging = steal_fd(&staging);
    return 0;
}

static int try_generation(struct supervisor *s, const struct bv_job *from, unsigned number, struct restart *ret,
                          struct bv_error *err)
{
    autogen struct bv_gen *g = NULL;
    uint64_t root;
    if (bv_gen_open(from, number, &g, err) < 0)
        return -1;
    const json_t *content = bv_gen_content(g);
    if (bv_json_u64(content, "root", INT32_MAX, &root, err) < 0 ||
        bv_unpack_check_host(content, s->options->settings->cpu_ignored, err) < 0)
        return -1;
    if (unpack(s, g, &ret->staging, err) < 0) {
        /* The job may start from its beginning, and run for days. */
        bv_staging_remove(&s->job, s->attempt.number, NULL);
        return -1;
    }
    s->root = (pid_t)root;
    s->base = from == &s->job ? number : 0;
    for (size_t i = 0; i < bv_gen_stream_count(g); i++)
        ret->bytes += bv_gen_stream(g, i).size;
    ret->generation = number;
    ret->content = json_deep_copy(content);
    return 0;
}

static void tell_fall_back(struct supervisor *s, unsigned number, const struct bv_error *e)
{
    bv_warn("generation %u of job %s does not verify (%s): falling back to the one before", number, s->job.id, e->text);
    autojson json_t *fields = json_pack("{s:i, s:o}", "generation", (int)number, "text", bv_json_bytes(e->text));
    bv_event_append(&s->job, "fell-back", s->attempt.number, fields, NULL);
}

/* The newest that verifies. */
static int choose_newest(struct supervisor *s, const struct bv_job *from, const unsigned *list, size_t n,
                         struct restart *ret, struct bv_error *err)
{
    struct bv_error newest = {0};
    for (size_t i = n; i-- > 0;) {
        struct bv_error e = {0};
        if (try_generation(s, from, list[i], ret, &e) == 0) {
            ret->newer = newest;
            if (newest.code && from == &s->job) {
                s->damaged_first = list[i + 1];
                s->damaged_last = list[n - 1];
            }
            return 0;
        }
        if (e.code != BV_ECORRUPT)
            return bv_fail(err, e.code, 0, "generation %u of job %s: %s", list[i], from->id, e.text);
        if (!newest.code)
            newest = e;
        if (i > 0)
            tell_fall_back(s, list[i], &e);
    }
    if (s->options->settings->on_bad_checkpoint == BV_ON_BAD_FRESH && !s->options->restart_only) {
        bv_warn("no checkpoint of job %s verifies (%s): starting it from the beginning, as you asked", s->job.id,
                newest.text);
        return 0;
    }
    return bv_fail(err, BV_ECORRUPT, 0, "no checkpoint of job %s verifies (the newest: %s); nothing was started",
                   from->id, newest.text);
}

static int choose_from(struct supervisor *s, const struct bv_job *from, unsigned wanted, struct restart *ret,
                       struct bv_error *err)
{
    autofree unsigned *list = NULL;
    size_t n = 0;
    if (bv_generation_list(from, &list, &n, err) < 0)
        return -1;
    if (wanted) {
        if (try_generation(s, from, wanted, ret, err) < 0)
            return bv_wrap(err, "generation %u of job %s", wanted, from->id);
        return 0;
    }
    return n == 0 ? 0 : choose_newest(s, from, list, n, ret, err);
}

/* A copy that has no checkpoint of its own yet goes on from the one it was made of. */
static int choose_origin(struct supervisor *s, struct restart *ret, struct bv_error *err)
{
    char origin[BV_JOB_ID_MAX + 1];
    unsigned generation;
    autojob struct bv_job from = {.dirfd = -1};
    autohold struct bv_hold hold = {.dirfd = -1};
    if (bv_job_ref_parse(s->spec.copy_of, origin, &generation, err) < 0 ||
        bv_job_open(&s->store, origin, &from, err) < 0)
        return -1;
    /* The attempt that runs that job, if one does, removes what is too old. */
    bv_hold_take(&from, generation, &hold);
    if (choose_from(s, &from, generation, ret, err) < 0)
        return -1;
    return ret->generation ? 0 : bv_fail(err, BV_ENOCKPT, 0, "job %s has no checkpoint to make a copy of", origin);
}

int restart_choose(struct supervisor *s, struct restart *ret, struct bv_error *err)
{
    *ret = (struct restart){.staging = -1};
    if (choose_from(s, &s->job, s->options->generation, ret, err) < 0)
        return -1;
    if (ret->generation == 0 && s->spec.copy_of)
        return choose_origin(s, ret, err);
    if (ret->generation == 0 && s->options->restart_only)
        return bv_fail(err, BV_ENOCKPT, 0, "job %s has no checkpoint", s->job.id);
    return 0;
}

static json_t *build_request(struct supervisor *s, const struct restart *r)
{
    json_t *request = json_object(), *pipes = json_array();
    const json_t *stdio = json_object_get(r->content, "stdio");
    for (size_t i = 0; i < 3; i++)
        bv_json_append(pipes, json_integer(json_integer_value(json_object_get(json_array_get(stdio, i), "ino"))));
    bv_json_set(request, "op", json_string("restore"));
    bv_json_set(request, "root", json_integer(s->root));
    bv_json_set(request, "pipes", pipes);
    bv_json_set(request, "tty", json_boolean(bv_stdio_has(&s->stdio, BV_STDIO_TTY)));
    bv_json_set(request, "accept_changed", json_boolean(s->options->accept_changed));
    bv_json_set(request, "keep_times", json_boolean(s->options->keep_times));
    bv_json_set(request, "close", json_boolean(network_closes(s, r)));
    bv_json_set(request, "affinity", json_incref(json_object_get(r->content, "affinity")));
    if (json_object_get(r->content, "forgotten"))
        bv_json_set(request, "forgotten", json_incref(json_object_get(r->content, "forgotten")));
    bv_json_set(request, "last_pid", json_incref(json_object_get(r->content, "last_pid")));
    return request;
}

/* Where what the roll-back overwrites is kept: kept/NNNN of this attempt. */
static int open_kept(struct supervisor *s, struct bv_error *err)
{
    char name[32];
    snprintf(name, sizeof(name), "kept/%04u", s->attempt.number);
    if ((mkdirat(s->job.dirfd, "kept", 0700) < 0 && errno != EEXIST) ||
        (mkdirat(s->job.dirfd, name, 0700) < 0 && errno != EEXIST))
        return bv_fail(err, bv_store_code(errno), errno, "cannot create %s", name);
    int fd = openat(s->job.dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? bv_fail(err, BV_ESTORE, errno, "cannot open %s", name) : fd;
}

static void note_kept(struct supervisor *s, const json_t *kept, const json_t *more)
{
    char name[32];
    snprintf(name, sizeof(name), "kept/%04u", s->attempt.number);
    if (json_array_size(kept) == 0) {
        unlinkat(s->job.dirfd, name, AT_REMOVEDIR);
        return;
    }
    autojson json_t *fields = json_object();
    bv_json_set(fields, "kept_in", json_string(name));
    bv_json_set(fields, "files", json_deep_copy(kept));
    if (json_integer_value(more) > 0)
        bv_json_set(fields, "more", json_deep_copy(more));
    bv_event_append(&s->job, "rolled-back", s->attempt.number, fields, NULL);
}

/* One message of the operation. 1 = the job is restored. */
static int on_message(struct supervisor *s, const struct restart *r, int sock, struct bv_msg *m, struct bv_error *err)
{
    const char *is = json_string_value(json_object_get(m->body, "is"));
    if (is && strcmp(is, "done") == 0)
        return 1;
    if (is && strcmp(is, "rolled-back") == 0) {
        note_kept(s, json_object_get(m->body, "kept"), json_object_get(m->body, "more"));
        return 0;
    }
    if (is && strcmp(is, "terminal") == 0) {
        supervisor_terminal(s, bv_msg_take_fd(m, 0));
        return 0;
    }
    if (is && strcmp(is, "held") == 0) {
        autojson json_t *go = json_pack("{s:s}", "verdict", "go");
        return network_resume(s, r, err) < 0 ? -1 : bv_msg_send(sock, go, NULL, 0, bv_deadline_in(30), err);
    }
    const char *text = json_string_value(json_object_get(m->body, "text"));
    return bv_fail(err, (enum bv_code)json_integer_value(json_object_get(m->body, "code")), 0, "%s",
                   text ? text : "an unknown message");
}

static int await_restored(struct supervisor *s, const struct restart *r, int sock, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(RESTORE_TIMEOUT + (double)r->bytes / RESTORE_BYTES_PER_S);
    for (;;) {
        automsg struct bv_msg m = {0};
        int got = supervisor_await(s, sock, deadline, &m, err);
        if (got < 0)
            return -1;
        if (got == 0)
            return bv_fail(err, BV_ERESTORE, 0, "the restore was interrupted: the engine or its keeper died");
        int done = on_message(s, r, sock, &m, err);
        if (done != 0)
            return done < 0 ? -1 : 0;
    }
}

int restart_run(struct supervisor *s, const struct restart *r, struct bv_error *err)
{
    int pair[2];
    int kept = open_kept(s, err);
    if (kept < 0)
        return -1;
    autoclose int kept_owned = kept;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket pair");
    autoclose int ours = pair[0];

    autojson json_t *request = build_request(s, r);
    int fds[] = {pair[1], r->staging, kept};
    /* A container's pid will be another one. */
    int rc = bv_capsule_operate(&s->capsule, request, supervisor_has_container(s) ? 0 : s->root, fds, 3, err);
    close(pair[1]);
    if (rc < 0)
        return -1;
    s->operating = 1;
    return await_restored(s, r, ours, err);
}
