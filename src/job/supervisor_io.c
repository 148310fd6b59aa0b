/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's side of the job's standard input, output and error. */
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/mem.h"
#include "job/supervisor_private.h"

#define STDIN_PIPE (256 << 10) /* room for what was in flight at the freeze */

int supervisor_stdio_new(struct supervisor *s, struct bv_error *err)
{
    static const uint64_t none[BV_COUNTERS];
    if (bv_counters_create(&s->attempt, none, &s->delivered, err) < 0)
        return -1;
    return bv_stdio_inspect((s->engine->capabilities & BV_ENGINE_CONTAINER) != 0, &s->stdio, err);
}

struct restored_end {
    enum bv_stdio_kind kind;
    int same_as, eof;
    uint64_t written;
    char *in_flight;
    size_t in_flight_size;
};

static int parse_end(const json_t *j, int number, struct restored_end *ret, struct bv_error *err)
{
    const char *kind, *in_flight;
    int64_t same_as;
    if (bv_json_str(j, "kind", &kind, err) < 0 || bv_json_i64(j, "same_as", &same_as, err) < 0 ||
        bv_json_u64(j, "written", INT64_MAX, &ret->written, err) < 0 || bv_json_bool(j, "eof", &ret->eof, err) < 0 ||
        bv_json_str(j, "in_flight", &in_flight, err) < 0)
        return -1;
    int k = bv_stdio_kind_parse(kind);
    if (k < 0 || same_as < -1 || same_as >= number)
        return bv_fail(err, BV_ECORRUPT, 0, "\"stdio\" is not valid");
    ret->kind = (enum bv_stdio_kind)k;
    ret->same_as = (int)same_as;
    ret->in_flight = bv_alloc(strlen(in_flight) / 2 + 1);
    ssize_t size = bv_unhex(in_flight, ret->in_flight, IN_FLIGHT_MAX);
    if (size < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "\"in_flight\" is not valid");
    ret->in_flight_size = (size_t)size;
    return 0;
}

/* What the job had written and the outside has not got: the end of what was in flight. */
static void deliver_rest(struct supervisor *s, int number, const struct restored_end *e, uint64_t delivered)
{
    uint64_t missing = e->written > delivered ? e->written - delivered : 0;
    size_t n = missing < e->in_flight_size ? (size_t)missing : e->in_flight_size;
    if (n > 0 && bv_write_full(number, e->in_flight + e->in_flight_size - n, n) == 0)
        s->delivered[number - 1] += n;
}

static int refill_stdin(struct supervisor *s, const struct restored_end *e, struct bv_error *err)
{
    struct bv_stdio_end *end = &s->stdio.end[STDIN_FILENO];
    fcntl(end->our_fd, F_SETPIPE_SZ, STDIN_PIPE);
    if (bv_write_full(end->our_fd, e->in_flight, e->in_flight_size) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot put the job's standard input back");
    s->stdin_eof = e->eof;
    if (e->eof)
        close_fd(&end->our_fd);
    return 0;
}

static int connect_restored(struct supervisor *s, const struct restored_end e[3], struct bv_error *err)
{
    uint64_t before[BV_COUNTERS], now[BV_COUNTERS];
    bv_counters_before(&s->attempt, s->attempt.number, before);
    for (int i = 0; i < BV_COUNTERS; i++) /* a copy of another job has delivered nothing: it goes on from there */
        now[i] = before[i] ? before[i] : e[i + 1].written;
    if (bv_counters_create(&s->attempt, now, &s->delivered, err) < 0)
        return -1;

    enum bv_stdio_kind kind[3] = {e[0].kind, e[1].kind, e[2].kind};
    int same_as[3] = {e[0].same_as, e[1].same_as, e[2].same_as};
    if (bv_stdio_recreate(kind, same_as, &s->stdio, err) < 0)
        return -1;
    if (kind[0] == BV_STDIO_PIPE && refill_stdin(s, &e[0], err) < 0)
        return -1;
    for (int i = 1; i < 3; i++)
        if ((kind[i] == BV_STDIO_PIPE || kind[i] == BV_STDIO_TTY) && same_as[i] < 0)
            deliver_rest(s, i, &e[i], now[i - 1]);
    return 0;
}

int supervisor_stdio_restored(struct supervisor *s, const json_t *content, struct bv_error *err)
{
    json_t *list;
    struct restored_end e[3] = {0};
    if (bv_json_array(content, "stdio", 3, &list, err) < 0)
        return -1;
    int rc = json_array_size(list) == 3 ? 0 : bv_fail(err, BV_ECORRUPT, 0, "\"stdio\" is not valid");
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = parse_end(json_array_get(list, (size_t)i), i, &e[i], err);
    if (rc == 0)
        rc = connect_restored(s, e, err);
    for (int i = 1; i < 3 && rc == 0; i++)
        if (e[i].kind == BV_STDIO_PIPE && e[i].same_as < 0) {
            s->relay[i] = bv_relay_new(s->stdio.end[i].our_fd, i, &s->delivered[i - 1]);
            s->relay[i]->position = e[i].written;
            s->relay[i]->skip = s->delivered[i - 1] > e[i].written ? s->delivered[i - 1] - e[i].written : 0;
        }
    for (int i = 0; i < 3; i++)
        free(e[i].in_flight);
    return rc;
}

/* Begin to relay. Outputs of a restored job have their relays already. */
void supervisor_stdio_connect(struct supervisor *s)
{
    struct bv_stdio_end *in = &s->stdio.end[STDIN_FILENO];
    if (in->kind == BV_STDIO_PIPE && in->our_fd >= 0) {
        s->relay[STDIN_FILENO] = bv_relay_new(STDIN_FILENO, in->our_fd, NULL);
        s->relay[STDIN_FILENO]->close_to = 1;
        in->our_fd = -1; /* the relay closes it */
    }
    for (int i = 1; i < 3; i++)
        if (s->stdio.end[i].kind == BV_STDIO_PIPE && s->stdio.end[i].same_as < 0 && !s->relay[i])
            s->relay[i] = bv_relay_new(s->stdio.end[i].our_fd, i, &s->delivered[i - 1]);
    for (int i = 1; i < 3; i++)
        if (s->relay[i] && s->stdio.end[i].our_fd >= 0) {
            s->relay[i]->close_from = 1;
            s->stdio.end[i].our_fd = -1;
        }
}

void supervisor_terminal(struct supervisor *s, int master)
{
    s->master = master;
    bv_terminal_enter(&s->terminal, master);
    int out = s->stdio.end[STDOUT_FILENO].kind == BV_STDIO_TTY ? STDOUT_FILENO : STDERR_FILENO;
    if (s->stdio.end[STDIN_FILENO].kind == BV_STDIO_TTY)
        s->relay[STDIN_FILENO] = bv_relay_new(STDIN_FILENO, master, NULL);
    if (s->stdio.end[out].kind == BV_STDIO_TTY)
        s->relay[out] = bv_relay_new(master, out, &s->delivered[out - 1]);
    if (s->relay[out])
        s->relay[out]->keep_reading = 1;
}

static json_t *end_json(struct supervisor *s, int number, struct bv_error *err)
{
    const struct bv_stdio_end *e = &s->stdio.end[number];
    const struct bv_relay *r = s->relay[number];
    autofree char *bytes = bv_alloc(IN_FLIGHT_MAX);
    size_t size = 0, in_pipe = 0;
    int is_pipe = e->kind == BV_STDIO_PIPE && e->same_as < 0;
    int pipe_fd = !r ? -1 : number == STDIN_FILENO ? r->to : r->from;

    if (is_pipe && pipe_fd >= 0) {
        if (number == STDIN_FILENO) { /* the pipe is before the buffer there: oldest bytes first */
            struct bv_relay empty = {0};
            if (bv_relay_in_flight(&empty, pipe_fd, bytes, IN_FLIGHT_MAX, &in_pipe, err) < 0)
                return NULL;
            memcpy(bytes + in_pipe, r->buffer + r->begin, r->end - r->begin);
            size = in_pipe + r->end - r->begin;
        } else if (bv_relay_in_flight(r, pipe_fd, bytes, IN_FLIGHT_MAX, &size, err) < 0) {
            return NULL;
        }
    }
    in_pipe = r && number != STDIN_FILENO ? size - (r->end - r->begin) * (is_pipe && pipe_fd >= 0) : 0;

    autofree char *hex = bv_hex(bytes, size);
    json_t *j = json_object();
    bv_json_set(j, "kind", json_string(bv_stdio_kind_name(e->kind)));
    bv_json_set(j, "same_as", json_integer(e->same_as));
    bv_json_set(j, "ino", json_integer((json_int_t)e->ino));
    bv_json_set(j, "written", json_integer(r && number != STDIN_FILENO ? (json_int_t)(r->position + in_pipe) : 0));
    bv_json_set(j, "in_flight", json_string(hex));
    bv_json_set(j, "eof", json_boolean(number == STDIN_FILENO && (s->stdin_eof || (r && r->from < 0))));
    return j;
}

json_t *supervisor_stdio_json(struct supervisor *s, struct bv_error *err)
{
    autojson json_t *list = json_array();
    for (int i = 0; i < 3; i++) {
        json_t *j = end_json(s, i, err);
        if (!j)
            return NULL;
        bv_json_append(list, j);
    }
    return json_incref(list);
}

/* Everything of the job is dead, so each pipe ends after what is still in it. The reader may take its time, until
 * somebody wants us to end: then it gets what it takes at once. */
void supervisor_drain(struct supervisor *s)
{
    for (int i = 1; i < 3; i++)
        while (s->relay[i] && !bv_relay_done(s->relay[i])) {
            struct pollfd p = bv_relay_poll(s->relay[i]);
            if (p.fd < 0 || supervisor_linger(s, &p) < 0)
                break;
            bv_relay_step(s->relay[i], p.revents);
        }
    /* A file that the job wrote by itself: whoever shares our descriptor goes on behind it. */
    for (int i = 1; i < 3; i++)
        if (s->stdio.end[i].kind == BV_STDIO_FILE && s->stdio.end[i].pos >= 0)
            lseek(i, 0, SEEK_END);
}

void supervisor_stdio_free(struct supervisor *s)
{
    bv_terminal_leave(&s->terminal);
    for (int i = 0; i < 3; i++) {
        bv_relay_free(s->relay[i]);
        s->relay[i] = NULL;
    }
    close_fd(&s->master);
    bv_stdio_free(&s->stdio);
}
