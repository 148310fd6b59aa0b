/* SPDX-License-Identifier: Apache-2.0 */
#include "job/writer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/msg.h"
#include "job/receive.h"
#include "proc/memory.h"

#define SEND_TIMEOUT  60 /* s; both sides always read */
#define STAGING_EXTRA (64ULL << 20)

struct writer {
    const struct bv_writer_config *config;
    int sock;
    struct bv_gen_writer *gen;
    struct bv_slabs *slabs;
    struct bv_receive *receive; /* NULL where the engine does not stream */
    int draining;               /* say when all images are here */
    json_t *content;            /* set: finish when all images are here */
    int64_t asked_ns, drain_ns; /* when to finish was asked; how long until all was taken in */
};

static int add_one(struct writer *w, int dir, const char *file, const char *name, struct bv_error *err)
{
    struct stat st;
    autoclose int in = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot open the staged %s", file);
    return bv_gen_writer_add(w->gen, name, in, (uint64_t)st.st_size, err);
}

/* Every file of directory `sub` as stream "sub/name"; each raw file goes as soon as it is in the pack. */
static int add_all(struct writer *w, const char *sub, int (*wanted)(const char *), struct bv_error *err)
{
    autoclose int fd = openat(w->config->staging, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    autoclosedir DIR *dir = fd < 0 ? NULL : bv_list_open(fd);
    if (!dir)
        return bv_fail(err, BV_ESTORE, errno, "cannot list the staging directory");
    for (const char *file; (file = bv_list_next(dir));) {
        if (file[0] == '.' || (wanted && !wanted(file)))
            continue;
        autofree char *name = bv_asprintf("%s/%s", sub, file);
        if (add_one(w, fd, file, name, err) < 0)
            return -1;
        unlinkat(fd, file, 0);
    }
    return errno ? bv_fail(err, BV_ESTORE, errno, "cannot list the staging directory") : 0;
}

static int tell(struct writer *w, json_t *message, struct bv_error *err)
{
    autojson json_t *owned = message;
    return bv_msg_send(w->sock, owned, NULL, 0, bv_deadline_in(SEND_TIMEOUT), err);
}

/* Half of what can be had, and no more than the job could fill: a checkpoint must not cost the job its memory. */
static uint64_t staging_limit(const struct bv_writer_config *c)
{
    uint64_t limit = c->staging_limit ? c->staging_limit : bv_memory_available() / 2;
    uint64_t enough = c->expected_bytes + STAGING_EXTRA;
    return limit < enough ? limit : enough;
}

static int prepare(struct writer *w, struct bv_error *err)
{
    const struct bv_writer_config *c = w->config;
    if (c->retainer && bv_quota_predict(c->retainer, c->expected_stored, err) < 0)
        return -1;
    struct bv_gen_options options = {.base = c->base, .expected_bytes = c->expected_bytes};
    if (bv_gen_writer_open(c->job, c->generation, c->attempt, &options, &w->gen, err) < 0)
        return -1;
    if (c->stream) {
        uint64_t limit = staging_limit(c);
        w->slabs = bv_slabs_new(limit, c->expected_bytes < limit ? c->expected_bytes : limit);
        if (!w->slabs)
            return bv_fail(err, BV_EINTERNAL, errno, "cannot get staging memory");
        w->receive = bv_receive_new(c->engine, c->stream, w->gen, w->slabs);
        bv_gen_writer_hold(w->gen);
    }
    return tell(w, json_pack("{s:s}", "is", "ready"), err);
}

static int on_request(struct writer *w, struct bv_error *err)
{
    automsg struct bv_msg m = {0};
    if (bv_msg_recv(w->sock, &m, bv_deadline_in(5), NULL) <= 0)
        _exit(1); /* the supervisor is gone, or has given this up */
    const char *what = json_string_value(json_object_get(m.body, "do"));
    if (what && strcmp(what, "drain") == 0 && w->receive && !w->draining && !w->content) {
        w->draining = 1;
        return 0;
    }
    if (!what || strcmp(what, "finish") != 0 || w->content)
        return bv_fail(err, BV_EPROTO, 0, "an unknown request");
    w->content = json_incref(json_object_get(m.body, "content"));
    w->asked_ns = bv_clock_ns(CLOCK_MONOTONIC);
    bv_gen_writer_go(w->gen);
    return 0;
}

/* The engine, which has sent everything, waits: what has not been announced by now will not come. */
static int answer_drain(struct writer *w, int more, struct bv_error *err)
{
    if (!w->draining || more || !bv_receive_idle(w->receive))
        return 0;
    w->draining = 0;
    return tell(w, json_pack("{s:s}", "is", "drained"), err);
}

/* Receive until the supervisor says that all is dumped, and all of it is here. */
static int receive_all(struct writer *w, struct bv_error *err)
{
    autofree struct pollfd *p = NULL;
    while (!w->content || (w->receive && !bv_receive_idle(w->receive))) {
        size_t n = w->receive ? bv_receive_count(w->receive) : 0;
        p = bv_realloc(p, n + 1, sizeof(p[0]));
        p[0] = (struct pollfd){.fd = w->sock, .events = POLLIN};
        if (w->receive)
            bv_receive_poll(w->receive, p + 1);
        int waiting = w->draining && bv_receive_idle(w->receive);
        int ready = poll(p, (nfds_t)n + 1, waiting ? 0 : -1);
        if (ready < 0 && errno != EINTR)
            return bv_fail(err, BV_EINTERNAL, errno, "poll");
        if (ready < 0)
            continue;
        if (answer_drain(w, ready > 0, err) < 0)
            return -1;
        if (w->receive && bv_receive_step(w->receive, p + 1, err) < 0)
            return -1;
        if (p[0].revents && on_request(w, err) < 0)
            return -1;
    }
    return 0;
}

static int write_generation(struct writer *w, struct bv_gen_stats *stats, struct bv_error *err)
{
    if (prepare(w, err) < 0 || receive_all(w, err) < 0 || add_all(w, "images", bv_receive_wants, err) < 0 ||
        add_all(w, "files", NULL, err) < 0 || add_one(w, w->config->staging, "capture.json", "capture.json", err) < 0)
        return -1;
    w->drain_ns = bv_clock_ns(CLOCK_MONOTONIC) - w->asked_ns;
    if (bv_gen_writer_finish(w->gen, w->content, stats, err) < 0)
        return -1;
    return w->config->retainer ? bv_quota_enforce(w->config->retainer, err) : 0;
}

static void writer_main(const void *arg, int sock)
{
    struct writer w = {.config = arg, .sock = sock};
    struct bv_error err = {0};
    struct bv_gen_stats s = {0};
    prctl(PR_SET_NAME, "bivouac-writer");
    json_t *answer;
    if (write_generation(&w, &s, &err) < 0)
        answer = json_pack("{s:s, s:i, s:o}", "is", "failed", "code", (int)err.code, "text", bv_json_bytes(err.text));
    else
        answer =
            json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "is", "written", "raw_bytes", (json_int_t)s.raw_bytes,
                      "new_bytes", (json_int_t)s.new_bytes, "stored_bytes", (json_int_t)s.stored_bytes, "drain_ns",
                      (json_int_t)w.drain_ns, "write_ns", (json_int_t)s.write_ns, "sync_ns", (json_int_t)s.sync_ns,
                      "frozen_at_ns", (json_int_t)(w.receive ? bv_receive_frozen_at(w.receive) : 0));
    /* Pipes close only now: an engine that is still writing must find the reason told when its write fails. */
    int rc = tell(&w, answer, NULL);
    bv_receive_free(w.receive);
    if (err.code)
        bv_gen_writer_close(w.gen);
    _exit(rc < 0);
}

int bv_writer_fork(bv_writer_body *body, const void *arg, struct bv_writer *ret, struct bv_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket pair");
    pid_t pid = bv_fork();
    if (pid == 0) {
        close(pair[0]);
        body(arg, pair[1]);
        _exit(1);
    }
    int saved = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return bv_fail(err, BV_EINTERNAL, saved, "cannot fork");
    }
    *ret = (struct bv_writer){.pid = pid, .sock = pair[0]};
    return 0;
}

int bv_writer_start(const struct bv_writer_config *config, struct bv_writer *ret, struct bv_error *err)
{
    int rc = bv_writer_fork(writer_main, config, ret, err);
    if (config->stream)
        config->engine->stream_close(config->stream);
    return rc;
}

static int ask(struct bv_writer *w, const json_t *request, struct bv_error *err)
{
    if (bv_msg_send(w->sock, request, NULL, 0, bv_deadline_in(SEND_TIMEOUT), NULL) == 0)
        return 0;
    return bv_fail(err, BV_ESTORE, 0, "writing the checkpoint was interrupted: the writer died");
}

int bv_writer_drain(struct bv_writer *w, struct bv_error *err)
{
    autojson json_t *m = json_pack("{s:s}", "do", "drain");
    return ask(w, m, err);
}

int bv_writer_finish(struct bv_writer *w, json_t *content, struct bv_error *err)
{
    autojson json_t *m = json_pack("{s:s, s:O}", "do", "finish", "content", content);
    return ask(w, m, err);
}

void bv_writer_end(struct bv_writer *w)
{
    if (w->pid > 0) {
        kill(w->pid, SIGKILL);
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    w->pid = 0;
    close_fd(&w->sock);
}
