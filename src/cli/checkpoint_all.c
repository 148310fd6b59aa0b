/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/checkpoint_all.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/name.h"
#include "cli/cmd.h"
#include "cli/summary.h"
#include "job/running.h"

#define TIMEOUT_DEFAULT 3600
#define SEND_TIMEOUT    1   /* s; a supervisor always reads */
#define EXTRA           10  /* s beyond the timeout, which the supervisor keeps by itself */
#define AGAIN           0.5 /* s, while another checkpoint of the job is being made */

/* One supervisor. It may be another user's, and is believed only as far as it concerns that user's own job. */
struct target {
    int fd;
    uid_t uid;
    char job[BV_JOB_ID_MAX + 1]; /* "" = it has not said yet */
    struct bv_deadline again;    /* when to ask again */
    int done;
    int code; /* enum bv_code */
    int generation;
    double total_s;
    char *text; /* what went wrong */
};

struct drain {
    struct target *target;
    size_t count;
    const char *leave, *reason;
    struct bv_deadline deadline;
};

static void fail(struct target *t, int code, const char *text)
{
    t->done = 1;
    t->code = code > 0 && code < 256 ? code : BV_EPROTO;
    t->text = bv_strdup(text);
}

static void ask(const struct drain *d, struct target *t)
{
    double left = bv_deadline_ms(d->deadline) / 1000.0;
    autojson json_t *request = json_pack("{s:s, s:s, s:f, s:s}", "op", "checkpoint", "leave", d->leave, "timeout",
                                         left > 1 ? left : 1, "reason", d->reason);
    t->again = (struct bv_deadline){0};
    if (bv_msg_send(t->fd, request, NULL, 0, bv_deadline_in(SEND_TIMEOUT), NULL) < 0)
        fail(t, BV_ENOTRUNNING, "its supervisor does not listen");
}

static void take_name(struct target *t, const json_t *answer)
{
    const char *job = json_string_value(json_object_get(answer, "job"));
    if (job && bv_job_id_check(job, NULL) == 0)
        snprintf(t->job, sizeof(t->job), "%s", job);
    else
        fail(t, BV_EPROTO, "its supervisor does not say which job it is");
}

static void take_result(struct target *t, const json_t *answer)
{
    int code = (int)json_integer_value(json_object_get(answer, "code"));
    if (json_is_true(json_object_get(answer, "ok"))) {
        t->done = 1;
        t->generation = (int)json_integer_value(json_object_get(answer, "generation"));
        t->total_s = json_number_value(json_object_get(answer, "total_s"));
        return;
    }
    if (code == BV_EBUSY) { /* a periodic one, say: behind it there is room for ours */
        t->again = bv_deadline_in(AGAIN);
        return;
    }
    const json_t *said = json_object_get(answer, "text");
    autofree char *text = json_is_string(said) ? cmd_safe_text(said) : bv_strdup("it did not say why");
    fail(t, code, text);
}

static void receive(struct target *t)
{
    automsg struct bv_msg m = {0};
    struct bv_error e = {0};
    int got = bv_msg_recv(t->fd, &m, bv_deadline_in(SEND_TIMEOUT), &e);
    if (got <= 0)
        fail(t, got < 0 ? (int)e.code : BV_ENOTRUNNING, got < 0 ? e.text : "it ended before it answered");
    else if (json_object_get(m.body, "phase"))
        return;
    else if (!t->job[0])
        take_name(t, m.body);
    else
        take_result(t, m.body);
}

static int earliest_ms(const struct drain *d, size_t *ret_open)
{
    int ms = bv_deadline_ms(d->deadline);
    *ret_open = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct target *t = &d->target[i];
        *ret_open += !t->done;
        if (!t->done && t->again.at_ns && bv_deadline_ms(t->again) < ms)
            ms = bv_deadline_ms(t->again);
    }
    return ms;
}

static void serve_all(struct drain *d)
{
    size_t open;
    autofree struct pollfd *p = bv_alloc((d->count + 1) * sizeof(*p));
    for (int ms = earliest_ms(d, &open); open && !bv_deadline_passed(d->deadline); ms = earliest_ms(d, &open)) {
        for (size_t i = 0; i < d->count; i++)
            p[i] = (struct pollfd){.fd = d->target[i].done ? -1 : d->target[i].fd, .events = POLLIN};
        if (poll(p, (nfds_t)d->count, ms) < 0 && errno != EINTR)
            return;
        for (size_t i = 0; i < d->count; i++) {
            struct target *t = &d->target[i];
            if (!t->done && p[i].revents)
                receive(t);
            if (!t->done && bv_deadline_passed(t->again))
                ask(d, t);
        }
    }
}

static void begin(const struct drain *d, struct target *t)
{
    autojson json_t *status = json_pack("{s:s}", "op", "status");
    if (bv_msg_send(t->fd, status, NULL, 0, bv_deadline_in(SEND_TIMEOUT), NULL) < 0)
        fail(t, BV_ENOTRUNNING, "its supervisor does not listen");
    else
        ask(d, t);
}

static json_t *target_json(const struct target *t)
{
    json_t *j = json_pack("{s:s, s:I, s:b}", "job", t->job, "uid", (json_int_t)t->uid, "ok", t->code == 0);
    if (t->code == 0) {
        bv_json_set(j, "generation", json_integer(t->generation));
        bv_json_set(j, "total_s", json_real(t->total_s));
    } else {
        bv_json_set(j, "code", json_integer(t->code));
        bv_json_set(j, "text", bv_json_bytes(t->text));
    }
    return j;
}

static void print_target(const struct target *t)
{
    const char *job = t->job[0] ? t->job : "a job";
    char whose[32] = "";
    if (t->uid != geteuid())
        snprintf(whose, sizeof(whose), " of uid %u", (unsigned)t->uid);
    if (t->code == 0)
        printf("%s@%d%s: committed after %.2f s\n", job, t->generation, whose, t->total_s);
    else
        printf("%s%s: %s\n", job, whose, t->text);
}

int cmd_checkpoint_all(const char *leave, const char *reason, double timeout, int json)
{
    struct bv_error err = {0};
    struct bv_running *running;
    size_t count;
    int first = 0;
    if (bv_running_connect(&running, &count, &err) < 0)
        return cmd_fail(&err, json);
    autofree struct target *all = bv_alloc((count + 1) * sizeof(*all));
    struct drain d = {all, count, leave, reason, bv_deadline_in(timeout > 0 ? timeout : TIMEOUT_DEFAULT)};
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct target){.fd = running[i].fd, .uid = running[i].uid};
        begin(&d, &all[i]);
    }
    d.deadline.at_ns += EXTRA * BV_NSEC_PER_SEC;
    serve_all(&d);

    autojson json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!all[i].done)
            fail(&all[i], BV_ETIMEOUT, "it did not answer in time");
        first = first ? first : all[i].code;
        if (json)
            bv_json_append(list, target_json(&all[i]));
        else
            print_target(&all[i]);
        free(all[i].text);
    }
    bv_running_free(running, count);
    autojson json_t *answer = json_pack("{s:O}", "jobs", list);
    if (json)
        cmd_print_json(answer);
    return first;
}
