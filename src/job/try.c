/* SPDX-License-Identifier: Apache-2.0 */
#include "job/try.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"
#include "capsule/capsule.h"
#include "job/capture.h"
#include "job/operation.h"
#include "job/scratch.h"
#include "job/spec.h"
#include "job/unpack.h"
#include "store/generation.h"

#define TIMEOUT     300.0 /* s, and as long as reading the images takes from a very slow disk */
#define BYTES_PER_S (32 << 20)
#define SIGNAL_TICK 200 /* ms between two looks at the signals */

struct trial {
    const struct bv_try *how;
    struct bv_spec spec;
    const json_t *content; /* of the generation */
    struct bv_scratch scratch;
    int staging;
    uint64_t bytes;
    struct bv_bind *shadows; /* ended by a NULL host */
    struct bv_bind *binds;   /* all; borrows */
    size_t bind_count;
    char *relocated;
    struct bv_stdio stdio;
    struct bv_operation operation;
    struct bv_capsule capsule;
};

static int interrupted(const struct trial *t, struct bv_error *err)
{
    int number = t->how->mask ? sigtimedwait(t->how->mask, NULL, &(struct timespec){0}) : -1;
    return number > 0 ? bv_fail(err, BV_EINTERNAL, 0, "interrupted by the signal %s", strsignal(number)) : 0;
}

static int make_dir(const struct trial *t, const char *name, struct bv_error *err)
{
    if (mkdirat(t->scratch.dirfd, name, 0700) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create a directory in %s", t->scratch.path);
    int fd = openat(t->scratch.dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot open a directory in %s", t->scratch.path) : fd;
}

static int unpack(struct trial *t, struct bv_gen *g, const struct bv_engine *engine, struct bv_error *err)
{
    if (bv_unpack_check_host(t->content, NULL, err) < 0 ||
        bv_scratch_create(t->how->scratch, ".bivouac-verify", &t->scratch, err) < 0)
        return -1;
    t->staging = make_dir(t, "staging", err);
    autoclose int shadow = t->staging < 0 ? -1 : make_dir(t, "shadow", err);
    if (shadow < 0 || bv_unpack(g, engine, t->staging, err) < 0)
        return -1;
    for (size_t i = 0; i < bv_gen_stream_count(g); i++)
        t->bytes += bv_gen_stream(g, i).size;
    autofree char *path = bv_asprintf("%s/shadow", t->scratch.path);
    return bv_rollback_shadow(t->staging, shadow, path, &t->shadows, err);
}

static void add_bind(struct trial *t, struct bv_bind b)
{
    t->binds = bv_realloc(t->binds, t->bind_count + 1, sizeof(b));
    t->binds[t->bind_count++] = b;
}

/* What the job had bound it sees read-only; over that the copies of its files. */
static int set_binds(struct trial *t, struct bv_error *err)
{
    const json_t *relocated = json_object_get(t->content, "relocated");
    if (relocated && bv_json_unescape(relocated, &t->relocated, err) < 0)
        return -1;
    for (size_t i = 0; i < t->spec.bind_count; i++)
        add_bind(t, (struct bv_bind){t->spec.binds[i].host, t->spec.binds[i].job, .read_only = 1});
    if (t->relocated)
        add_bind(t, (struct bv_bind){t->relocated, t->spec.cwd, .read_only = 1});
    for (struct bv_bind *b = t->shadows; b->host; b++)
        add_bind(t, *b);
    return 0;
}

static int parse_end(const json_t *j, enum bv_stdio_kind *kind, int *same_as, struct bv_error *err)
{
    const char *name;
    int64_t same;
    if (bv_json_str(j, "kind", &name, err) < 0 || bv_json_i64(j, "same_as", &same, err) < 0)
        return -1;
    int known = bv_stdio_kind_parse(name);
    if (known < 0 || same < -1 || same > 2)
        return bv_fail(err, BV_ECORRUPT, 0, "\"stdio\" is not valid");
    *kind = (enum bv_stdio_kind)known;
    *same_as = (int)same;
    return 0;
}

static int make_stdio(struct trial *t, json_t **ret_pipes, struct bv_error *err)
{
    json_t *list;
    enum bv_stdio_kind kind[3];
    int same_as[3];
    if (bv_json_array(t->content, "stdio", 3, &list, err) < 0)
        return -1;
    if (json_array_size(list) != 3)
        return bv_fail(err, BV_ECORRUPT, 0, "\"stdio\" is not valid");
    autojson json_t *pipes = json_array();
    for (size_t i = 0; i < 3; i++) {
        const json_t *end = json_array_get(list, i);
        if (parse_end(end, &kind[i], &same_as[i], err) < 0)
            return -1;
        if (same_as[i] >= (int)i)
            return bv_fail(err, BV_ECORRUPT, 0, "\"stdio\" is not valid");
        bv_json_append(pipes, json_integer(json_integer_value(json_object_get(end, "ino"))));
    }
    if (bv_stdio_recreate(kind, same_as, &t->stdio, err) < 0)
        return -1;
    *ret_pipes = steal_ptr(&pipes);
    return 0;
}

static int build(struct trial *t, const struct bv_engine *engine, struct bv_error *err)
{
    t->operation = (struct bv_operation){
        .spec = &t->spec, .engine = engine, .stdio = &t->stdio, .any_cpu = t->spec.cpu_baseline != BV_CPU_NO_BASELINE};
    /* Where deleted files, sockets and fifos are made anew. */
    const char *covered[] = {t->relocated ? "/tmp" : t->spec.cwd, "/tmp", "/var/tmp", NULL};
    struct bv_command none = {0};
    struct bv_capsule_config config = {
        .private_network = 1,
        .private_tmp = t->spec.private_tmp,
        .protect = 1,
        .covered = covered + (t->relocated || strcmp(t->spec.cwd, "/tmp") == 0),
        .binds = t->binds,
        .bind_count = t->bind_count,
        .continue_clocks = 1,
        .command = &none,
        .stdio = &t->stdio,
        .operation = bv_operation_main,
        .arg = &t->operation,
    };
    if (bv_json_i64(t->content, "monotonic_ns", &config.monotonic_ns, err) < 0 ||
        bv_json_i64(t->content, "boottime_ns", &config.boottime_ns, err) < 0)
        return -1;
    /* The init keeps a copy of what `config` points to: it was forked with it. */
    return bv_capsule_create(&config, &t->capsule, err);
}

/* 1 = `ret` is the operation's last word. */
static int step(struct trial *t, int sock, struct bv_deadline deadline, struct bv_msg *ret, struct bv_error *err)
{
    struct pollfd p[] = {{.fd = sock, .events = POLLIN}, {.fd = t->capsule.sock, .events = POLLIN}};
    int left = bv_deadline_ms(deadline);
    int n = poll(p, 2, left < SIGNAL_TICK ? left : SIGNAL_TICK);
    if (interrupted(t, err) < 0)
        return -1;
    if (bv_deadline_passed(deadline))
        return bv_fail(err, BV_ETIMEOUT, 0, "the restore did not finish before its deadline");
    if (n > 0 && p[0].revents) {
        int got = bv_msg_recv(sock, ret, deadline, err);
        return got == 0 ? bv_fail(err, BV_ERESTORE, 0, "the restore was interrupted: the engine or its keeper died")
                        : got;
    }
    if (n > 0 && p[1].revents) {
        struct bv_capsule_event e;
        if (bv_capsule_event(&t->capsule, &e, err) < 0)
            return -1;
        close_fd(&e.fd);
        if (e.kind == BV_CAPSULE_GONE)
            return bv_fail(err, BV_ERESTORE, 0, "the capsule was killed while the job was restored");
        if (e.kind == BV_CAPSULE_ROOT_ENDED)
            return bv_fail(err, BV_ERESTORE, 0, "the restored job ended although it had not run");
    }
    return 0;
}

static int await(struct trial *t, int sock, struct bv_engine_compared *ret, struct bv_error *err)
{
    double seconds = t->how->timeout > 0 ? t->how->timeout : TIMEOUT + (double)t->bytes / BYTES_PER_S;
    struct bv_deadline deadline = bv_deadline_in(seconds);
    automsg struct bv_msg m = {0};
    int got;
    while ((got = step(t, sock, deadline, &m, err)) == 0)
        ;
    if (got < 0)
        return -1;
    const char *is = json_string_value(json_object_get(m.body, "is"));
    if (!is || strcmp(is, "done") != 0) {
        const char *text = json_string_value(json_object_get(m.body, "text"));
        return bv_fail(err, (enum bv_code)json_integer_value(json_object_get(m.body, "code")), 0, "%s",
                       text ? text : "an unknown message");
    }
    ret->processes = (uint64_t)json_integer_value(json_object_get(m.body, "processes"));
    ret->threads = (uint64_t)json_integer_value(json_object_get(m.body, "threads"));
    ret->pages = (uint64_t)json_integer_value(json_object_get(m.body, "pages"));
    return 0;
}

/* The init is not told which pid is the root: it reaps only the operation, and the tree is killed with the capsule. */
static int restore(struct trial *t, uint64_t root, json_t *pipes, struct bv_engine_compared *ret, struct bv_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket pair");
    autoclose int ours = pair[0];
    autojson json_t *request = json_pack("{s:s, s:I, s:O, s:b}", "op", "try", "root", (json_int_t)root, "pipes", pipes,
                                         "tty", bv_stdio_has(&t->stdio, BV_STDIO_TTY));
    int fds[] = {pair[1], t->staging};
    int rc = bv_capsule_operate(&t->capsule, request, 0, fds, 2, err);
    close(pair[1]);
    return rc < 0 ? -1 : await(t, ours, ret, err);
}

static int try_all(struct trial *t, struct bv_gen *g, const struct bv_engine *engine, struct bv_engine_compared *ret,
                   struct bv_error *err)
{
    uint64_t root;
    struct bv_engine_info info;
    autojson json_t *pipes = NULL;
    t->content = bv_gen_content(g);
    if (bv_json_u64(t->content, "root", INT32_MAX, &root, err) < 0 || engine->probe(&info, err) < 0 ||
        unpack(t, g, engine, err) < 0 || interrupted(t, err) < 0 || set_binds(t, err) < 0 ||
        make_stdio(t, &pipes, err) < 0)
        return -1;
    bv_fault_point("try-unpacked");
    if (build(t, engine, err) < 0)
        return -1;
    bv_fault_point("try-capsule");
    return restore(t, root, pipes, ret, err);
}

static void release(struct trial *t)
{
    bv_capsule_destroy(&t->capsule);
    bv_stdio_free(&t->stdio);
    close_fd(&t->staging);
    bv_scratch_remove(&t->scratch);
    for (struct bv_bind *b = t->shadows; b && b->host; b++) {
        free(b->host);
        free(b->job);
    }
    free(t->shadows);
    free(t->binds);
    free(t->relocated);
    bv_spec_free(&t->spec);
}

int bv_try_generation(const struct bv_job *job, unsigned number, const struct bv_try *how,
                      struct bv_engine_compared *ret, struct bv_error *err)
{
    autogen struct bv_gen *g = NULL;
    autojson json_t *record = NULL;
    struct trial t = {.how = how, .staging = -1, .scratch = {.dirfd = -1, .lock = -1}, .capsule = {.sock = -1}};
    for (int i = 0; i < 3; i++)
        t.stdio.end[i].job_fd = t.stdio.end[i].our_fd = -1;
    const struct bv_engine *engine = bv_engine_find(NULL, err);
    if (!engine || bv_gen_open(job, number, &g, err) < 0 || bv_job_record(job, &record, err) < 0 ||
        bv_spec_parse(record, &t.spec, err) < 0)
        return -1;
    int rc = try_all(&t, g, engine, ret, err);
    release(&t);
    return rc;
}
