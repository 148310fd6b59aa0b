/* SPDX-License-Identifier: Apache-2.0 */
/* One checkpoint, from the request to the commit. The states are those of struct checkpoint; whatever fails before the
 * commit leaves the job running and the previous generation current. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/preflight.h"
#include "job/supervisor_private.h"

static void committed(struct supervisor *s);

static const char *const leave_names[] = {
    [BV_LEAVE_RUNNING] = "running",
    [BV_LEAVE_STOPPED] = "stopped",
    [BV_LEAVE_DEAD] = "dead",
};

int checkpoint_operation_sock(const struct supervisor *s)
{
    return s->checkpoint.state == CHECKPOINT_DUMPING ? s->checkpoint.op_sock : -1;
}

int checkpoint_writer_sock(const struct supervisor *s)
{
    return s->checkpoint.writer.sock;
}

/* Back to CHECKPOINT_NONE; with nothing of it left on disk but what was committed. */
static void clear(struct supervisor *s)
{
    struct checkpoint *c = &s->checkpoint;
    bv_writer_end(&c->writer);
    close_fd(&c->op_sock);
    close_fd(&c->staging);
    json_decref(c->content);
    json_decref(c->findings);
    json_decref(c->written);
    bv_staging_remove(&s->job, s->attempt.number, NULL);
    *c = (struct checkpoint){.op_sock = -1, .staging = -1, .writer = {.sock = -1}};
}

/* How much memory the tree has, which is about what an uncompressed checkpoint takes. */
static uint64_t tree_memory(const struct supervisor *s)
{
    struct usage u = {0};
    supervisor_usage(s, &u);
    return u.memory;
}

/* The engine knows only that a write failed. */
static void explain_space(struct supervisor *s, struct bv_error *e)
{
    struct statvfs fs;
    if (fstatvfs(s->job.dirfd, &fs) < 0)
        return;
    /* On a full file system not even the engine's log can be written. */
    int full = e->code == BV_EENGINE && (fs.f_bavail == 0 || (fs.f_files && fs.f_favail == 0));
    if (!full && (e->code != BV_ENOSPACE || strstr(e->text, "free") || strstr(e->text, "quota")))
        return;
    bv_fail(e, BV_ENOSPACE, ENOSPC,
            "the checkpoint needs about %llu MiB in %s and %llu MiB are free; the job goes on, and the previous "
            "checkpoint is intact",
            (unsigned long long)(tree_memory(s) >> 20) + 1, s->store.path,
            (unsigned long long)(fs.f_bavail * fs.f_frsize >> 20));
}

/* Say in plain words what the engine has stumbled over. */
static void explain_block(struct supervisor *s, struct bv_error *e)
{
    const json_t *findings = s->checkpoint.findings;
    if (e->code != BV_EENGINE)
        return;
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *f = json_array_get(findings, i);
        const char *weight = json_string_value(json_object_get(f, "weight"));
        const char *text = json_string_value(json_object_get(f, "text"));
        const char *remedy = json_string_value(json_object_get(f, "remedy"));
        if (weight && strcmp(weight, "blocks") == 0 && text && remedy) {
            char engine[512];
            snprintf(engine, sizeof(engine), "%s", e->text);
            bv_fail(e, BV_EBLOCKED, 0, "%s %s (%s)", text, remedy, engine);
            return;
        }
    }
}

/* The tree that the engine has left stopped, or is about to, goes on: there is no checkpoint that would be a reason. */
static void let_run(struct supervisor *s)
{
    struct checkpoint *c = &s->checkpoint;
    if (c->leave != BV_LEAVE_STOPPED || !c->went || s->left_stopped)
        return;
    s->run_wanted = s->operating;
    if (!s->operating)
        bv_capsule_signal(&s->capsule, SIGCONT, 1, NULL);
}

/* An operation that waits for a verdict gets a bad one, and lets the tree run on in good order. One that does not end
 * soon after is killed. */
static void let_go(struct supervisor *s, const struct bv_error *e)
{
    struct checkpoint *c = &s->checkpoint;
    if (c->op_sock < 0 || !s->operating)
        return;
    autojson json_t *no =
        json_pack("{s:s, s:i, s:o}", "verdict", "no", "fail", (int)e->code, "text", bv_json_bytes(e->text));
    if (bv_msg_send(c->op_sock, no, NULL, 0, bv_deadline_in(1), NULL) < 0)
        bv_capsule_abort(&s->capsule, NULL);
    s->abort_deadline = bv_deadline_in(OPERATION_GRACE);
}

void checkpoint_fail(struct supervisor *s, const struct bv_error *why)
{
    struct bv_error e = *why;
    struct checkpoint *c = &s->checkpoint;
    unsigned generation = c->generation;
    if (c->state >= CHECKPOINT_VERIFYING && !c->refuted) { /* whatever has happened: it is there */
        committed(s);
        return;
    }
    autojson json_t *fields = json_pack("{s:o}", "why", bv_json_bytes(c->reason));
    explain_space(s, &e);
    explain_block(s, &e);
    if (c->by_policy || c->tell)
        bv_warn("no checkpoint of job %s (%s): %s", s->job.id, c->reason, e.text);
    let_go(s, &e);
    let_run(s);
    clear(s);
    if (!s->operating) /* else when it has ended */
        link_go_on(s);
    bv_generation_discard(&s->job, generation, s->attempt.number, NULL);

    bv_json_set(fields, "code", json_string(bv_code_name(e.code)));
    bv_json_set(fields, "text", bv_json_bytes(e.text));
    bv_event_append(&s->job, "checkpoint-failed", s->attempt.number, fields, NULL);
    policy_failed(s);
    control_answer(s, NULL, &e);
}

void checkpoint_on_deadline(struct supervisor *s)
{
    struct bv_error e = {0};
    if (s->checkpoint.state >= CHECKPOINT_VERIFYING) {
        committed(s);
        return;
    }
    bv_fail(&e, BV_ETIMEOUT, 0, "the checkpoint did not finish before its deadline and was given up; the job goes on");
    if (s->checkpoint.state == CHECKPOINT_DUMPING) {
        s->engine_died = 1;
        bv_capsule_abort(&s->capsule, NULL);
    }
    checkpoint_fail(s, &e);
}

/* Keeps the findings for later. Only what the engine would not notice is refused here; with all else it is asked. */
static int inspect(struct supervisor *s, struct bv_error *err)
{
    struct bv_findings found = {0};
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bv_preflight p = {
        .procfd = procfd,
        .root = supervisor_root_pid(s),
        .in_capsule = 1,
        .private_network = s->spec.private_network,
        .tcp = s->spec.tcp,
    };
    /* What preflight cannot see, the engine will tell. */
    if (procfd >= 0 && p.root > 0 && !supervisor_has_container(s) && bv_preflight_run(&p, &found, NULL) == 0)
        s->checkpoint.findings = bv_findings_json(&found);
    else
        s->checkpoint.findings = json_array();
    const struct bv_finding *f = bv_preflight_unnoticed(&found);
    int rc = f ? bv_fail(err, BV_EBLOCKED, 0, "%s %s", f->text, f->remedy) : 0;
    bv_findings_free(&found);
    return rc;
}

static int send_request(struct supervisor *s, int sock, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    autojson json_t *request = json_object();
    bv_json_set(request, "op", json_string("checkpoint"));
    bv_json_set(request, "root", json_integer(supervisor_has_container(s) ? container_root(s) : s->root));
    bv_json_set(request, "leave", json_string(leave_names[c->leave]));
    bv_json_set(request, "final", json_boolean(c->leave == BV_LEAVE_DEAD));
    bv_json_set(request, "tty", json_boolean(s->master >= 0));
    bv_json_set(request, "stream", json_boolean(c->streams));
    int fds[] = {sock, c->staging};
    if (bv_capsule_operate(&s->capsule, request, 0, fds, 2, err) < 0)
        return -1;
    s->operating = 1;
    return 0;
}

/* The generation in which most pages will be found again, if it is still good; else 0. */
static unsigned find_base(const struct supervisor *s)
{
    autogen struct bv_gen *g = NULL;
    return s->base && bv_gen_open(&s->job, s->base, &g, NULL) == 0 ? s->base : 0;
}

/* A terminal's master comes back from the engine by another way than streams do. */
static int can_stream(const struct supervisor *s)
{
    return (s->engine->capabilities & BV_ENGINE_STREAM) && s->master < 0;
}

static int open_images(struct supervisor *s, struct bv_engine_stream **ret, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    if (mkdirat(c->staging, "images", 0700) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create the staging directory");
    c->streams = can_stream(s);
    if (!c->streams)
        return 0;
    autoclose int images = openat(c->staging, "images", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (images < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot open the staging directory");
    return s->engine->stream_open(images, ret, err);
}

static int begin(struct supervisor *s, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    struct bv_engine_stream *stream = NULL;
    if (bv_attempt_check(&s->attempt, err) < 0 || bv_generation_next(&s->job, &c->generation, err) < 0 ||
        bv_staging_create(&s->job, s->attempt.number, &c->staging, err) < 0 || open_images(s, &stream, err) < 0)
        return -1;
    bv_fault_point("checkpoint-staged");
    c->base = find_base(s);
    struct bv_retainer retainer = supervisor_retainer(s);
    struct bv_writer_config config = {
        .job = &s->job,
        .generation = c->generation,
        .attempt = s->attempt.number,
        .base = c->base,
        .staging = c->staging,
        .engine = s->engine,
        .stream = stream,
        .expected_bytes = c->memory,
        .retainer = &retainer,
        /* A guess that is too high would refuse what would fit. */
        .expected_stored = c->base ? s->shared_stored / 2 : 0,
        .staging_limit = s->options->settings->staging,
    };
    return bv_writer_start(&config, &c->writer, err);
}

/* The writer is ready to receive: let the engine loose. */
static int dump(struct supervisor *s, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket pair");
    c->op_sock = pair[0];
    int rc = link_down(s, err) < 0 ? -1 : send_request(s, pair[1], err);
    close(pair[1]);
    if (rc < 0)
        return -1;
    c->state = CHECKPOINT_DUMPING;
    c->dump_ns = bv_clock_ns(CLOCK_MONOTONIC);
    control_progress(s, "dump");
    return 0;
}

int checkpoint_begin(struct supervisor *s, enum bv_leave leave, double timeout, const char *reason,
                     struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    bv_fault_point("checkpoint-begin");
    c->memory = tree_memory(s);
    c->leave = leave;
    c->deadline = bv_deadline_in(timeout > 0 ? timeout : CHECKPOINT_TIMEOUT);
    c->begun_ns = bv_clock_ns(CLOCK_MONOTONIC);
    snprintf(c->reason, sizeof(c->reason), "%s", reason);

    if (inspect(s, err) < 0 || begin(s, err) < 0) {
        clear(s);
        return -1;
    }
    c->state = CHECKPOINT_PREPARING;
    policy_begun(s);
    return 0;
}

/* What a program has sent and closed is in the kernel alone, and ends with the capsule. */
static void warn_leaving(const struct supervisor *s, json_t *content)
{
    size_t n = s->checkpoint.leave == BV_LEAVE_DEAD ? link_leaving(s) : 0;
    if (n)
        bv_json_append(
            json_object_get(content, "warnings"),
            json_sprintf("%zu TCP connection%s that the job has closed had not delivered everything: what was "
                         "missing is lost",
                         n, n == 1 ? "" : "s"));
}

/* What the manifest says, beside the store's own. */
static int describe(struct supervisor *s, const json_t *frozen, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    json_t *stdio = supervisor_stdio_json(s, err);
    if (!stdio)
        return -1;
    json_t *content = c->content = json_object();
    bv_json_set(content, "stdio", stdio);
    bv_json_set(content, "root", json_integer(s->root));
    bv_json_set(content, "engine", json_pack("{s:s, s:s}", "name", s->engine->name, "version", s->engine_info.version));
    autofree char *cpu = bv_cpu_limited(s->cpu_flags, s->spec.cpu_baseline);
    bv_json_set(content, "host",
                json_pack("{s:s, s:s, s:s, s:s}", "name", s->host.name, "kernel", s->host.kernel, "machine",
                          s->host.machine, "cpu", cpu));
    static const char *const copied[] = {"monotonic_ns", "boottime_ns", "affinity", "forgotten",
                                         "last_pid",     "warnings",    "network"};
    for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
        bv_json_set(content, copied[i], json_deep_copy(json_object_get(frozen, copied[i])));
    warn_leaving(s, content);
    bv_json_set(content, "findings", json_incref(c->findings));
    bv_json_set(content, "reason", json_string(c->reason));
    bv_json_set(content, "leave", json_string(leave_names[c->leave]));
    if (s->left_stopped)
        bv_json_set(content, "stopped", json_true());
    if (s->relocated)
        bv_json_set(content, "relocated", bv_json_bytes(s->relocated));
    return 0;
}

static int finish_writing(struct supervisor *s, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    bv_json_set(c->content, "frozen_ns", json_integer(c->frozen_ns));
    if (bv_writer_finish(&c->writer, c->content, err) < 0)
        return -1;
    c->state = CHECKPOINT_WRITING;
    control_progress(s, "write");
    return 0;
}

/* The tree may run. */
static int resume_tree(struct supervisor *s, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    autojson json_t *go = json_pack("{s:s}", "verdict", "go");
    if (bv_msg_send(c->op_sock, go, NULL, 0, bv_deadline_in(30), NULL) == 0) {
        c->went = 1;
        return 0;
    }
    s->engine_died = 1;
    return bv_fail(err, BV_EENGINE, 0, "the dump was interrupted: the engine or its keeper died");
}

static int on_frozen(struct supervisor *s, const json_t *message, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    if (bv_attempt_check(&s->attempt, err) < 0 || describe(s, message, err) < 0)
        return -1;
    if (c->leave == BV_LEAVE_DEAD)
        return finish_writing(s, err);
    return c->streams ? bv_writer_drain(&c->writer, err) : resume_tree(s, err);
}

void checkpoint_on_operation(struct supervisor *s)
{
    struct checkpoint *c = &s->checkpoint;
    struct bv_error err = {0};
    automsg struct bv_msg m = {0};
    int got = bv_msg_recv(c->op_sock, &m, bv_deadline_in(5), &err);
    const char *is = got > 0 ? json_string_value(json_object_get(m.body, "is")) : NULL;
    int rc = 0;
    if (got <= 0 || !is) {
        s->engine_died = 1;
        rc = bv_fail(&err, BV_EENGINE, 0, "the dump was interrupted: the engine or its keeper died");
    } else if (strcmp(is, "frozen") == 0) {
        rc = on_frozen(s, m.body, &err);
    } else if (strcmp(is, "resumed") == 0) {
        link_go_on(s);
    } else if (strcmp(is, "done") == 0 && !c->content) {
        rc = bv_fail(&err, BV_EENGINE, 0, "the engine ended without a complete dump");
    } else if (strcmp(is, "done") == 0) {
        c->frozen_ns = json_integer_value(json_object_get(m.body, "frozen_ns"));
        rc = finish_writing(s, &err);
    } else {
        const char *text = json_string_value(json_object_get(m.body, "text"));
        s->engine_died |= json_is_true(json_object_get(m.body, "engine_died"));
        rc =
            bv_fail(&err, (enum bv_code)json_integer_value(json_object_get(m.body, "code")), 0, "%s", text ? text : "");
    }
    if (rc < 0)
        checkpoint_fail(s, &err);
}

/* The one place where a checkpoint comes into being. A fenced supervisor must not get past it; since a newer attempt
 * may be claimed between the look and the rename, we look again behind it and take the generation back. */
static int commit(struct supervisor *s, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    bv_fault_point("checkpoint-commit");
    if (bv_attempt_check(&s->attempt, err) < 0 ||
        bv_generation_commit(&s->job, c->generation, s->attempt.number, err) < 0)
        return -1;
    if (bv_attempt_check(&s->attempt, err) < 0) {
        if (err->code == BV_EFENCED)
            bv_generation_delete(&s->job, c->generation, NULL);
        return -1;
    }
    bv_fault_point("checkpoint-committed");
    return 0;
}

static json_t *seconds_of(const json_t *written, const char *key)
{
    return json_real((double)json_integer_value(json_object_get(written, key)) / 1e9);
}

/* What of files was not kept, and what preflight has found to be lost. */
static json_t *warnings_of(const struct checkpoint *c)
{
    json_t *all = json_deep_copy(json_object_get(c->content, "warnings"));
    for (size_t i = 0; i < json_array_size(c->findings); i++) {
        const json_t *f = json_array_get(c->findings, i);
        const char *weight = json_string_value(json_object_get(f, "weight"));
        const char *text = json_string_value(json_object_get(f, "text"));
        const char *comm = json_string_value(json_object_get(f, "command"));
        int pid = (int)json_integer_value(json_object_get(f, "pid"));
        if (!all || !weight || strcmp(weight, "weakens") != 0 || !text)
            continue;
        autofree char *warning = pid ? bv_asprintf("pid %d (%s): %s", pid, comm ? comm : "", text) : bv_strdup(text);
        bv_json_append(all, bv_json_bytes(warning));
    }
    return all;
}

static json_t *result_of(const struct supervisor *s, const json_t *written)
{
    const struct checkpoint *c = &s->checkpoint;
    json_t *r = json_object();
    bv_json_set(r, "job", json_string(s->job.id));
    bv_json_set(r, "generation", json_integer(c->generation));
    bv_json_set(r, "reason", json_string(c->reason));
    bv_json_set(r, "frozen_s", json_real((double)c->frozen_ns / 1e9));
    bv_json_set(r, "total_s", json_real((double)c->total_ns / 1e9));
    if (c->leave == BV_LEAVE_DEAD)
        bv_json_set(r, "ended", json_true());
    bv_json_set(r, "memory_bytes", json_integer((json_int_t)c->memory));
    if (c->verified) {
        bv_json_set(r, "verified", json_string(c->verified));
        bv_json_set(r, "verify_s", json_real((double)(bv_clock_ns(CLOCK_MONOTONIC) - c->verify_ns) / 1e9));
    }
    bv_json_set(r, "raw_bytes", json_incref(json_object_get(written, "raw_bytes")));
    bv_json_set(r, "new_bytes", json_incref(json_object_get(written, "new_bytes")));
    bv_json_set(r, "stored_bytes", json_incref(json_object_get(written, "stored_bytes")));
    bv_json_set(r, "drain_s", seconds_of(written, "drain_ns"));
    bv_json_set(r, "write_s", seconds_of(written, "write_ns"));
    bv_json_set(r, "sync_s", seconds_of(written, "sync_ns"));
    bv_json_set(r, "warnings", warnings_of(c));
    return r;
}

static void committed(struct supervisor *s)
{
    struct checkpoint *c = &s->checkpoint;
    enum bv_leave leave = c->leave;
    autojson json_t *result = result_of(s, c->written);
    note_checkpointed(s, result);

    /* The engine waits with the tree frozen; killing the capsule kills both, and nothing of the job runs on. */
    if (leave == BV_LEAVE_DEAD) {
        link_remove(s);
        bv_capsule_destroy(&s->capsule);
    }
    if (leave == BV_LEAVE_STOPPED) /* else the tree is as it was found, which an earlier one may have left stopped */
        s->left_stopped = 1;
    policy_suspended(s);
    s->engine_died = 0; /* whatever one did before: this one found the whole tree good */
    s->base = c->generation;
    if (c->base)
        s->shared_stored = (uint64_t)json_integer_value(json_object_get(c->written, "stored_bytes"));
    policy_committed(s);
    clear(s);
    struct bv_retainer retainer = supervisor_retainer(s);
    bv_retain(&retainer);
    control_answer(s, result, NULL);
    if (leave == BV_LEAVE_DEAD) {
        if (!s->options->quiet)
            bv_note("job %s was checkpointed (generation %d) and ended: run it again to continue", s->job.id,
                    (int)json_integer_value(json_object_get(result, "generation")));
        supervisor_end(s, BV_ENDED_CHECKPOINTED, 0);
    }
}

/* With the tree still frozen: if the checkpoint is not good, the job goes on. */
static int begin_verifying(struct supervisor *s)
{
    struct checkpoint *c = &s->checkpoint;
    if (!c->verify)
        return -1;
    bv_writer_end(&c->writer);
    c->verified = "no";
    c->verify_ns = bv_clock_ns(CLOCK_MONOTONIC);
    if (bv_verifier_start(&s->job, c->generation, &c->writer, NULL) < 0)
        return -1;
    c->state = CHECKPOINT_VERIFYING;
    control_progress(s, "verify");
    return 0;
}

/* Of a job that is ended the engine never says how long it was frozen: it is until now. Without a stream we only know
 * when the engine was let loose. */
static int64_t frozen_at(const struct checkpoint *c, const json_t *written)
{
    json_int_t at = json_integer_value(json_object_get(written, "frozen_at_ns"));
    return at ? at : c->dump_ns;
}

static int on_written(struct supervisor *s, json_t *written, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    if (commit(s, err) < 0)
        return -1;
    int64_t now = bv_clock_ns(CLOCK_MONOTONIC);
    c->written = json_incref(written);
    c->total_ns = now - c->begun_ns;
    if (c->leave == BV_LEAVE_DEAD)
        c->frozen_ns = now - frozen_at(c, written);
    if (begin_verifying(s) == 0)
        return 0;
    if (c->leave == BV_LEAVE_DEAD || !s->operating) {
        committed(s);
        return 0;
    }
    bv_writer_end(&c->writer);
    c->deadline = bv_deadline_in(OPERATION_GRACE);
    c->state = CHECKPOINT_ENDING;
    return 0;
}

void checkpoint_on_operation_ended(struct supervisor *s)
{
    if (s->checkpoint.state == CHECKPOINT_ENDING)
        committed(s);
}

/* What does not verify must not be what the job goes on from. */
static void on_refuted(struct supervisor *s, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    c->refuted = 1;
    bv_generation_delete(&s->job, c->generation, NULL);
    bv_wrap(err, "generation %u was written and does not verify", c->generation);
}

static void on_verifier(struct supervisor *s, const char *is, struct bv_error *err)
{
    struct checkpoint *c = &s->checkpoint;
    if (is && strcmp(is, "opened") == 0) {
        c->verified = "index";
        return;
    }
    if (is && strcmp(is, "failed") == 0 && err->code == BV_ECORRUPT) {
        on_refuted(s, err);
        checkpoint_fail(s, err);
        return;
    }
    if (is && strcmp(is, "verified") == 0) {
        c->verified = "all";
        bv_fault_point("last-verified");
    }
    committed(s); /* also when the verifier itself could not work: that says nothing about the checkpoint */
}

void checkpoint_on_writer(struct supervisor *s)
{
    struct checkpoint *c = &s->checkpoint;
    struct bv_error err = {0};
    automsg struct bv_msg m = {0};
    int got = bv_msg_recv(c->writer.sock, &m, bv_deadline_in(5), &err);
    const char *is = got > 0 ? json_string_value(json_object_get(m.body, "is")) : NULL;
    const char *text = json_string_value(json_object_get(m.body, "text"));
    if (is && strcmp(is, "failed") == 0)
        bv_fail(&err, (enum bv_code)json_integer_value(json_object_get(m.body, "code")), 0, "%s", text ? text : "");
    if (c->state == CHECKPOINT_VERIFYING) {
        on_verifier(s, is, &err);
        return;
    }
    if (is && strcmp(is, "ready") == 0) {
        if (dump(s, &err) == 0)
            return;
    } else if (is && strcmp(is, "drained") == 0) {
        if (resume_tree(s, &err) == 0)
            return;
    } else if (is && strcmp(is, "written") == 0) {
        if (on_written(s, m.body, &err) == 0)
            return;
    } else if (!err.code) {
        bv_fail(&err, BV_ESTORE, 0, "writing the checkpoint was interrupted: the writer died");
    }
    int fenced = err.code == BV_EFENCED;
    checkpoint_fail(s, &err);
    if (fenced)
        supervisor_fail(s, &err);
}
