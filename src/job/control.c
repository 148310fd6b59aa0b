/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: what a user may ask of a running job. Messages are those of doc/format/control.md. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "job/supervisor_private.h"

#define ANSWER_TIMEOUT 1      /* s; a client that does not read loses its answer, the job does not wait for it */
#define TIMEOUT_MAX    604800 /* s: a week */

int control_open(struct supervisor *s, struct bv_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, s->socket_path, sizeof(address.sun_path));
    unlink(s->socket_path); /* of an earlier attempt: this one has claimed the job */

    s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listener < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create the control socket");
    mode_t old = umask(0177);
    int rc = bind(s->listener, (struct sockaddr *)&address, sizeof(address));
    umask(old);
    if (rc < 0 || listen(s->listener, CLIENTS_MAX) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot listen at %s", s->socket_path);
    return 0;
}

void control_close(struct supervisor *s)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        close_fd(&s->client[i].fd);
    if (s->listener >= 0)
        unlink(s->socket_path);
    close_fd(&s->listener);
}

static void drop(struct client *c)
{
    close_fd(&c->fd);
    c->waiting = 0;
}

/* A free place, or that of one who asks nothing: NULL if everybody waits for an answer. */
static struct client *find_place(struct supervisor *s)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (s->client[i].fd < 0)
            return &s->client[i];
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (!s->client[i].waiting)
            return &s->client[i];
    return NULL;
}

void control_accept(struct supervisor *s)
{
    autoclose int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != geteuid() && peer.uid != 0))
        return;
    struct client *c = find_place(s);
    if (!c)
        return;
    drop(c);
    c->fd = steal_fd(&fd);
}

/* Takes the reference of `answer`. */
static void send_answer(struct client *c, json_t *answer)
{
    if (!answer || bv_msg_send(c->fd, answer, NULL, 0, bv_deadline_in(ANSWER_TIMEOUT), NULL) < 0)
        drop(c);
    json_decref(answer);
}

static json_t *error_json(const struct bv_error *e)
{
    return json_pack("{s:b, s:i, s:o}", "ok", 0, "code", (int)e->code, "text", bv_json_bytes(e->text));
}

void control_answer(struct supervisor *s, const json_t *result, const struct bv_error *e)
{
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &s->client[i];
        if (c->fd < 0 || !c->waiting)
            continue;
        c->waiting = 0;
        json_t *answer = e ? error_json(e) : json_deep_copy(result);
        if (!e)
            bv_json_set(answer, "ok", json_true());
        send_answer(c, answer);
    }
}

void control_progress(struct supervisor *s, const char *phase)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (s->client[i].fd >= 0 && s->client[i].waiting)
            send_answer(&s->client[i], json_pack("{s:s}", "phase", phase));
}

static json_t *status_json(struct supervisor *s)
{
    static const char *const states[] = {"running", "preparing", "dumping", "writing", "verifying", "writing"};
    struct usage u = {0};
    supervisor_usage(s, &u);
    return json_pack("{s:b, s:s, s:i, s:i, s:i, s:b, s:s, s:s, s:I, s:f, s:o, s:o}", "ok", 1, "job", s->job.id,
                     "attempt", (int)s->attempt.number, "root_pid", (int)supervisor_root_pid(s), "supervisor_pid",
                     (int)getpid(), "private_network", s->spec.private_network, "tcp", bv_tcp_name(s->spec.tcp),
                     "state", states[s->checkpoint.state], "memory_bytes", (json_int_t)u.memory, "cpu_s", u.cpu_s,
                     "last", policy_status_last(s), "next", policy_status_next(s));
}

static int parse_leave(const json_t *request, enum bv_leave *ret)
{
    const char *leave = json_string_value(json_object_get(request, "leave"));
    if (!leave || strcmp(leave, "running") == 0)
        *ret = BV_LEAVE_RUNNING;
    else if (strcmp(leave, "stopped") == 0)
        *ret = BV_LEAVE_STOPPED;
    else if (strcmp(leave, "dead") == 0)
        *ret = BV_LEAVE_DEAD;
    else
        return -1;
    return 0;
}

static int serve_checkpoint(struct supervisor *s, struct client *c, const json_t *request, struct bv_error *err)
{
    enum bv_leave leave;
    double timeout = json_number_value(json_object_get(request, "timeout"));
    const char *reason = json_string_value(json_object_get(request, "reason"));
    json_int_t group = json_integer_value(json_object_get(request, "group"));
    if (parse_leave(request, &leave) < 0 || timeout < 0 || timeout > TIMEOUT_MAX || group < 0 || group == 1 ||
        group > INT_MAX || (group && leave != BV_LEAVE_DEAD))
        return bv_fail(err, BV_EPROTO, 0, "a request that makes no sense");
    if (s->root <= 0)
        return bv_fail(err, BV_EBUSY, 0, "the job is still being started");

    if (s->checkpoint.state != CHECKPOINT_NONE) {
        if (leave != s->checkpoint.leave)
            return bv_fail(err, BV_EBUSY, 0, "another checkpoint of %s is in progress", s->job.id);
        c->waiting = 1; /* joins it */
        s->checkpoint.tell |= json_is_true(json_object_get(request, "tell"));
        s->end_group = group ? (pid_t)group : s->end_group;
        return 0;
    }
    if (s->operating)
        return bv_fail(err, BV_EBUSY, 0, "an earlier checkpoint of %s is still being given up", s->job.id);
    c->waiting = 1;
    s->end_group = (pid_t)group;
    if (checkpoint_begin(s, leave, timeout, reason ? reason : "request", err) == 0) {
        s->checkpoint.tell = json_is_true(json_object_get(request, "tell"));
        return 0;
    }
    c->waiting = 0;
    return -1;
}

/* Whoever does not wait leaves it to the policy, which makes it as soon as it can, and says how it went. */
static int serve_order(struct supervisor *s, struct client *c, const json_t *request, struct bv_error *err)
{
    enum bv_leave leave;
    const char *reason = json_string_value(json_object_get(request, "reason"));
    if (parse_leave(request, &leave) < 0 || leave != BV_LEAVE_RUNNING)
        return bv_fail(err, BV_EPROTO, 0, "a request that makes no sense");
    policy_order(s, reason ? reason : "request");
    send_answer(c, json_pack("{s:b, s:s}", "ok", 1, "job", s->job.id));
    return 0;
}

void control_serve(struct supervisor *s, struct client *c)
{
    struct bv_error err = {0};
    automsg struct bv_msg m = {0};
    if (bv_msg_recv(c->fd, &m, bv_deadline_in(ANSWER_TIMEOUT), NULL) <= 0) {
        drop(c);
        return;
    }
    const char *op = json_string_value(json_object_get(m.body, "op"));
    int rc;
    if (op && strcmp(op, "status") == 0) {
        send_answer(c, status_json(s));
        return;
    }
    if (op && strcmp(op, "checkpoint") == 0 && json_is_false(json_object_get(m.body, "wait")))
        rc = serve_order(s, c, m.body, &err);
    else if (op && strcmp(op, "checkpoint") == 0)
        rc = serve_checkpoint(s, c, m.body, &err);
    else
        rc = bv_fail(&err, BV_EPROTO, 0, "an unknown request");
    if (rc < 0)
        send_answer(c, error_json(&err));
}
