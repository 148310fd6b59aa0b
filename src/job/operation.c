/* SPDX-License-Identifier: Apache-2.0 */
#include "job/operation.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "capsule/standin.h"
#include "job/affinity.h"
#include "job/capture.h"
#include "job/connections.h"
#include "job/forgotten.h"
#include "proc/tree.h"

#define TELL_TIMEOUT 60 /* s; the supervisor always reads */
/* ms. Who sees the supervisor gone is about to be ended with all of the job, which must not run on before: a checkpoint
 * that it is to go on from may be committed. */
#define LAST_MOMENT 5000
#define KEPT_TOLD   50 /* paths of at most 4 KiB, escaped: below BV_MSG_MAX for any but hostile names */

struct context {
    const struct bv_operation *op;
    const json_t *request;
    int sock, staging, kept;
    pid_t root;
    struct bv_capture *capture;
    int64_t frozen_ns;
    int engine_died;
    int is_silent; /* the network of the job, while its sockets are restored */
    struct bv_engine_compared compared;
};

/* Takes the reference of `message`. */
static int tell(struct context *x, json_t *message, int fd, struct bv_error *err)
{
    autojson json_t *owned = message;
    if (!owned)
        return bv_fail(err, BV_EINTERNAL, 0, "out of memory");
    return bv_msg_send(x->sock, owned, &fd, fd >= 0, bv_deadline_in(TELL_TIMEOUT), err);
}

static int fail(struct context *x, const struct bv_error *e)
{
    json_t *failed = json_pack("{s:s, s:i, s:o, s:b}", "is", "failed", "code", (int)e->code, "text",
                               bv_json_bytes(e->text), "engine_died", x->engine_died);
    tell(x, failed, -1, NULL);
    return 1;
}

static int open_images(struct context *x, struct bv_error *err)
{
    if (mkdirat(x->staging, "images", 0700) < 0 && errno != EEXIST)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create the staging directory");
    int fd = openat(x->staging, "images", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? bv_fail(err, BV_ESTORE, errno, "cannot open the staging directory") : fd;
}

/* Wait for the supervisor's word on whether the dump is to stand. There is no deadline here: the supervisor has one,
 * and kills us. */
static int await_verdict(struct context *x, struct bv_error *err)
{
    automsg struct bv_msg m = {0};
    int got = bv_msg_recv(x->sock, &m, bv_deadline_in(0), err);
    if (got <= 0)
        poll(NULL, 0, LAST_MOMENT);
    if (got < 0)
        return -1;
    if (got == 0)
        return bv_fail(err, BV_EINTERNAL, 0, "the supervisor is gone");
    const char *verdict = json_string_value(json_object_get(m.body, "verdict"));
    if (verdict && strcmp(verdict, "go") == 0)
        return 0;
    const char *text = json_string_value(json_object_get(m.body, "text"));
    return bv_fail(err, (enum bv_code)json_integer_value(json_object_get(m.body, "fail")), 0, "%s",
                   text ? text : "the checkpoint was given up");
}

/* With BV_LEAVE_DEAD nothing will be left to wait for: all copies are made now. */
static int finish_capture(struct context *x, struct bv_error *err)
{
    return x->capture ? bv_capture_finish(steal_ptr(&x->capture), err) : 0;
}

/* The last pid that was given out in the capsule. A restored tree must go on behind it: its next children would else
 * get low pids, where the helpers of the next restore live. */
#define LAST_PID "/proc/sys/kernel/ns_last_pid"

static json_int_t read_last_pid(void)
{
    autofree char *text = bv_read_proc(AT_FDCWD, LAST_PID, 64);
    return text ? atoll(text) : 0;
}

static int write_last_pid(const json_t *request, struct bv_error *err)
{
    char text[32];
    json_int_t last = json_integer_value(json_object_get(request, "last_pid"));
    int n = snprintf(text, sizeof(text), "%lld", (long long)(last < BV_FIRST_JOB_PID ? BV_FIRST_JOB_PID : last));
    autoclose int fd = open(LAST_PID, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || bv_write_full(fd, text, (size_t)n) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot write %s", LAST_PID);
    return 0;
}

/* --- connections --- */

static enum bv_connections_fate fate_of_connections(const struct context *x)
{
    if (x->op->spec->private_network)
        return BV_CONNECTIONS_KEEP;
    return x->op->spec->tcp == BV_TCP_CLOSE ? BV_CONNECTIONS_CLOSE : BV_CONNECTIONS_REFUSE;
}

/* In a network of its own. */
static int reaches_others(const struct context *x)
{
    const struct bv_network *n = &x->op->spec->network;
    return x->op->spec->private_network && (n->outside != BV_OUTSIDE_NONE || n->address);
}

static int refuse(const struct bv_connection *c, const char *what, const char *remedy, struct bv_error *err)
{
    char remote[BV_ADDRESS_TEXT];
    bv_inet_text(c->at.remote, c->at.v6, remote);
    return bv_fail(err, BV_EBLOCKED, 0, "pid %d has a TCP connection to %s port %u, %s: %s", (int)c->pid, remote,
                   c->at.remote_port, what, remedy);
}

/* What the engine would take and the job's user does not want taken. */
static int check_connections(const struct context *x, const struct bv_connections *c, struct bv_error *err)
{
    const struct bv_spec *spec = x->op->spec;
    const struct bv_connection *inside = bv_connections_first(c, 1), *outside = bv_connections_first(c, 0);
    if (outside && spec->tcp == BV_TCP_REFUSE)
        return refuse(outside, "outside of the job",
                      "start the job with --tcp close, or let the program close it before the checkpoint", err);
    if (inside && !spec->private_network && spec->tcp == BV_TCP_CLOSE)
        return refuse(inside, "which is inside the job, and would be closed with those that are not",
                      "start the job with --network private, and with outside=auto if it has to reach other hosts",
                      err);
    return 0;
}

static int take_connections(const struct context *x, json_t **ret, struct bv_error *err)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoconnections struct bv_connections all = {0};
    if (procfd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open /proc");
    if (bv_connections_scan(procfd, x->root, x->op->spec->private_network, &all, err) < 0 ||
        check_connections(x, &all, err) < 0)
        return -1;
    *ret = bv_connections_json(procfd, &all);
    return 0;
}

static int has_standin(const struct context *x)
{
    return reaches_others(x) && !x->op->spec->network.address;
}

/* The real way to others must not be there yet: it would answer for sockets that are not there yet, either. */
static int stand_in(const struct context *x, struct bv_error *err)
{
    return has_standin(x) ? bv_standin_open(err) : 0;
}

/* With the supervisor, who has the way to others. */
static int connect_again(struct context *x, struct bv_error *err)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoconnections struct bv_connections all = {0};
    if (procfd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open /proc");
    if (json_is_true(json_object_get(x->request, "close")) &&
        (bv_connections_scan(procfd, x->root, 1, &all, err) < 0 || bv_connections_close(&all, err) < 0))
        return -1;
    if ((has_standin(x) && bv_standin_close(err) < 0) || tell(x, json_pack("{s:s}", "is", "held"), -1, err) < 0)
        return -1;
    return await_verdict(x, err);
}

/* The tree is there, as it will run, and nothing of it has run. */
static int on_held(void *arg, struct bv_error *err)
{
    struct context *x = arg;
    const json_t *forgotten = json_object_get(x->request, "forgotten");
    if (bv_forgotten_code_restore(json_object_get(forgotten, "code"), x->root, err) < 0)
        return -1;
    return reaches_others(x) ? connect_again(x, err) : 0;
}

/* An engine that dies lets the tree run: what was captured since may be newer than the images. */
static int check_frozen(const struct context *x, struct bv_error *err)
{
    struct bv_task task;
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd >= 0 && bv_task_read(procfd, x->root, &task, NULL) == 0 && task.state == 't')
        return 0;
    return bv_fail(err, BV_EENGINE, 0, "the dump was interrupted: the engine died while the job was frozen");
}

/* All files of all processes are open here at once, until the tree runs on and the last ones are copied. */
static void allow_many_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return; /* who needs more will be told */
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static int on_frozen(void *arg, struct bv_error *err)
{
    struct context *x = arg;
    autojson json_t *affinity = NULL, *forgotten = NULL, *network = NULL;
    bv_fault_point("checkpoint-frozen");
    allow_many_files();
    int left_out = 0, unbound = 0, outside = x->op->container ? BV_CAPTURE_OUTSIDE : 0;
    if (x->op->engine->capabilities & BV_ENGINE_ROOTFS)
        outside |= BV_CAPTURE_NO_ROOT;
    /* A container's pids are others after a restart, and its CPUs are its runtime's. */
    if (x->op->container) {
        affinity = json_null();
        network = json_pack("{s:[], s:[]}", "bound", "outside"); /* the runtime's affair too */
        forgotten = json_null();
    } else if ((left_out = bv_forgotten_take(x->root, &forgotten, err)) < 0 || take_connections(x, &network, err) < 0 ||
               (unbound = bv_affinity_take(x->root, &affinity, err)) < 0) {
        return -1;
    }
    if (bv_capture_take(x->op->spec, x->root, outside, x->staging, &x->capture, err) < 0)
        return -1;

    autojson json_t *warnings = json_deep_copy(bv_capture_warnings(x->capture));
    if (unbound)
        bv_json_append(warnings, json_string("the job has more threads with CPUs of their own than is kept: the last "
                                             "ones run on any after a restart"));
    if (left_out)
        bv_json_append(warnings,
                       json_string("the job has more threads or sockets with settings of their own, more in closed "
                                   "terminals, or more processes with code in no file, than is kept: the last ones "
                                   "are as new after a restart, and their code may be changed"));
    if (json_object_get(network, "more") && !x->op->spec->private_network)
        bv_json_append(warnings,
                       json_string("the job has more ports than are recorded: a restart finds only when it has "
                                   "begun whether the last ones are free"));
    if (json_is_true(json_object_get(x->request, "final")) && finish_capture(x, err) < 0)
        return -1;
    if (!x->op->container && check_frozen(x, err) < 0)
        return -1;
    bv_fault_point("checkpoint-captured");
    json_t *m = json_pack("{s:s, s:I, s:I, s:I, s:O, s:O, s:O, s:O}", "is", "frozen", "last_pid", read_last_pid(),
                          "monotonic_ns", bv_clock_ns(CLOCK_MONOTONIC), "boottime_ns", bv_clock_ns(CLOCK_BOOTTIME),
                          "affinity", affinity, "forgotten", forgotten, "warnings", warnings, "network", network);
    if (tell(x, m, -1, err) < 0)
        return -1;
    return await_verdict(x, err);
}

static enum bv_leave parse_leave(const json_t *request)
{
    const char *leave = json_string_value(json_object_get(request, "leave"));
    if (leave && strcmp(leave, "stopped") == 0)
        return BV_LEAVE_STOPPED;
    return leave && strcmp(leave, "dead") == 0 ? BV_LEAVE_DEAD : BV_LEAVE_RUNNING;
}

static int checkpoint(struct context *x, struct bv_error *err)
{
    int images = open_images(x, err);
    if (images < 0)
        return -1;
    autoclose int owned = images;
    struct bv_engine_dump d = {
        .root = x->root,
        .container = x->op->container,
        .images_fd = images,
        .stream = json_is_true(json_object_get(x->request, "stream")),
        .leave = parse_leave(x->request),
        .connections = fate_of_connections(x),
        .tty = json_is_true(json_object_get(x->request, "tty")),
        .frozen = on_frozen,
        .arg = x,
    };
    bv_fault_point("checkpoint-dump");
    int rc = x->op->engine->dump(&d, err);
    x->engine_died = d.died;
    if (rc < 0)
        return -1;
    x->frozen_ns = d.frozen_ns;
    bv_fault_point("checkpoint-resumed");
    if (tell(x, json_pack("{s:s}", "is", "resumed"), -1, err) < 0)
        return -1;
    return finish_capture(x, err);
}

/* --- restart --- */

static void on_terminal(void *arg, int master)
{
    struct context *x = arg;
    autoclose int owned = master;
    tell(x, json_pack("{s:s}", "is", "terminal"), owned, NULL);
}

static int on_begins(void *arg, struct bv_error *err)
{
    struct context *x = arg;
    (void)err;
    x->is_silent = bv_standin_silence(1) == 0; /* a kernel without this queue restores all the same, mostly */
    return 0;
}

static int on_restored(void *arg, struct bv_error *err)
{
    struct context *x = arg;
    if (x->is_silent && bv_standin_silence(0) < 0)
        return bv_fail(err, BV_ERESTORE, errno, "cannot let the job's network work again");
    bv_fault_point("restart-engine");
    if (bv_affinity_restore(json_object_get(x->request, "affinity"), err) < 0 ||
        bv_forgotten_restore(json_object_get(x->request, "forgotten"), err) < 0)
        return -1;
    bv_forgotten_timers_wind(x->root);
    return write_last_pid(x->request, err);
}

/* Which of our new pipes takes the place of which old one. */
static size_t match_pipes(const struct context *x, struct bv_engine_pipe pipes[3])
{
    const json_t *inos = json_object_get(x->request, "pipes");
    size_t n = 0;
    for (size_t i = 0; i < 3; i++) {
        json_int_t ino = json_integer_value(json_array_get(inos, i));
        if (ino > 0 && x->op->stdio->end[i].job_fd >= 0)
            pipes[n++] = (struct bv_engine_pipe){.ino = (uint64_t)ino, .fd = x->op->stdio->end[i].job_fd};
    }
    return n;
}

static int roll_back(struct context *x, struct bv_error *err)
{
    autojson json_t *kept = json_array();
    if (bv_rollback_volatiles(x->staging, err) < 0)
        return -1;
    bv_fault_point("restart-volatile");
    int how = (json_is_true(json_object_get(x->request, "accept_changed")) ? BV_ROLLBACK_ACCEPT_CHANGED : 0) |
              (json_is_true(json_object_get(x->request, "keep_times")) ? BV_ROLLBACK_KEEP_TIMES : 0);
    int rc = bv_rollback_files(x->staging, x->kept, x->op->moved_dir, how, kept, err);
    if (rc == 0)
        bv_fault_point("restart-rolled-back");
    /* The list may be long and the message is bounded; the files are all there. */
    json_int_t more = 0;
    for (; json_array_size(kept) > KEPT_TOLD; more++)
        json_array_remove(kept, json_array_size(kept) - 1);
    json_t *m = json_pack("{s:s, s:O, s:I}", "is", "rolled-back", "kept", kept, "more", more);
    return tell(x, m, -1, rc < 0 ? NULL : err) < 0 ? -1 : rc;
}

/* What is the same for each restore is put into `r`. */
static int drive_restore(struct context *x, struct bv_engine_restore *r, struct bv_error *err)
{
    struct bv_engine_pipe pipes[3];
    autoclose int images = open_images(x, err);
    if (images < 0)
        return -1;
    if (x->op->container && bv_stdio_become(x->op->stdio, -1, err) < 0)
        return -1;
    r->root = x->root;
    r->container = x->op->container;
    r->images_fd = images;
    r->pipes = pipes;
    r->pipe_count = match_pipes(x, pipes);
    if (!json_is_true(json_object_get(x->request, "tty")))
        r->terminal = NULL;
    r->any_cpu = x->op->any_cpu;
    r->arg = x;
    return x->op->engine->restore(r, err);
}

static int restore(struct context *x, struct bv_error *err)
{
    struct bv_engine_restore r = {
        .connections = fate_of_connections(x),
        .terminal = on_terminal,
        .begins = x->op->spec->private_network ? on_begins : NULL,
        .restored = on_restored,
        .held = x->op->container ? NULL : on_held,
    };
    if (stand_in(x, err) < 0 || roll_back(x, err) < 0)
        return -1;
    bv_forgotten_inherit(json_object_get(x->request, "forgotten"));
    return drive_restore(x, &r, err);
}

/* --- a trial --- */

static void drop_terminal(void *arg, int master)
{
    (void)arg;
    (void)master; /* stays open for as long as we live */
}

static int on_trial_held(void *arg, struct bv_error *err)
{
    struct context *x = arg;
    autoclose int images = open_images(x, err);
    return images < 0 ? -1 : x->op->engine->compare(images, &x->compared, err);
}

static int try_restore(struct context *x, struct bv_error *err)
{
    if (x->op->container)
        return bv_fail(err, BV_EUSAGE, 0, "a container cannot be restored for a trial");
    struct bv_engine_restore r = {.connections = fate_of_connections(x),
                                  .stopped = 1,
                                  .terminal = drop_terminal,
                                  .begins = on_begins,
                                  .held = on_trial_held};
    /* Sockets are bound to addresses that a network without the host's interfaces does not have. */
    if (bv_standin_open(err) < 0 || bv_rollback_volatiles(x->staging, err) < 0 || drive_restore(x, &r, err) < 0)
        return -1;
    return x->compared.processes ? 0 : bv_fail(err, BV_EENGINE, 0, "the engine did not let the tree be compared");
}

int bv_operation_main(void *arg, struct bv_msg *request)
{
    struct context x = {
        .op = arg,
        .request = json_object_get(request->body, "request"),
        .sock = bv_msg_take_fd(request, 0),
        .staging = bv_msg_take_fd(request, 1),
        .kept = bv_msg_take_fd(request, 2),
    };
    struct bv_error err = {0};
    x.root = (pid_t)json_integer_value(json_object_get(x.request, "root"));
    const char *what = json_string_value(json_object_get(x.request, "op"));

    int rc;
    if (what && strcmp(what, "checkpoint") == 0)
        rc = checkpoint(&x, &err);
    else if (what && strcmp(what, "restore") == 0)
        rc = restore(&x, &err);
    else if (what && strcmp(what, "try") == 0)
        rc = try_restore(&x, &err);
    else
        rc = bv_fail(&err, BV_EPROTO, 0, "an unknown operation");
    bv_capture_free(x.capture);
    if (rc < 0)
        return fail(&x, &err);
    json_t *done = json_pack("{s:s, s:I, s:I, s:I, s:I}", "is", "done", "frozen_ns", (json_int_t)x.frozen_ns,
                             "processes", (json_int_t)x.compared.processes, "threads", (json_int_t)x.compared.threads,
                             "pages", (json_int_t)x.compared.pages);
    int told = tell(&x, done, -1, NULL);
    bv_fault_point("operation-told");
    return told < 0;
}
