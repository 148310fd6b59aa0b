/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "capsule/capsule.h"

#define SEND_TIMEOUT 30 /* s; the init always reads */

/* Takes the reference of `m`. */
static int send_request(struct bv_capsule *c, json_t *m, const int *fds, int fd_count, struct bv_error *err)
{
    autojson json_t *owned = m;
    if (!owned)
        return bv_fail(err, BV_EINTERNAL, 0, "out of memory");
    struct bv_error why = {0};
    if (bv_msg_send(c->sock, owned, fds, fd_count, bv_deadline_in(SEND_TIMEOUT), &why) == 0)
        return 0;
    if (why.sys_errno == EPIPE || why.sys_errno == ECONNRESET)
        return bv_fail(err, BV_EENGINE, 0, "the job's capsule was killed");
    return bv_fail(err, why.code, 0, "the job's capsule: %s", why.text);
}

int bv_capsule_start(struct bv_capsule *c, struct bv_error *err)
{
    return send_request(c, json_pack("{s:s}", "do", "start"), NULL, 0, err);
}

int bv_capsule_operate(struct bv_capsule *c, json_t *request, pid_t root, const int *fds, int fd_count,
                       struct bv_error *err)
{
    return send_request(c, json_pack("{s:s, s:O, s:i}", "do", "operate", "request", request, "root", (int)root), fds,
                        fd_count, err);
}

int bv_capsule_abort(struct bv_capsule *c, struct bv_error *err)
{
    return send_request(c, json_pack("{s:s}", "do", "abort"), NULL, 0, err);
}

int bv_capsule_signal(struct bv_capsule *c, int number, int all, struct bv_error *err)
{
    return send_request(c, json_pack("{s:s, s:i, s:b}", "do", "signal", "number", number, "all", all), NULL, 0, err);
}

int bv_capsule_event(struct bv_capsule *c, struct bv_capsule_event *ret, struct bv_error *err)
{
    static const struct {
        const char *is;
        enum bv_capsule_event_kind kind;
    } kinds[] = {
        {"started", BV_CAPSULE_STARTED},   {"start-failed", BV_CAPSULE_START_FAILED},
        {"ended", BV_CAPSULE_ROOT_ENDED},  {"operation-ended", BV_CAPSULE_OPERATION_ENDED},
        {"terminal", BV_CAPSULE_TERMINAL}, {"stopped", BV_CAPSULE_STOPPED},
    };
    automsg struct bv_msg m = {0};
    int got = bv_msg_recv(c->sock, &m, bv_deadline_in(SEND_TIMEOUT), err);
    if (got < 0)
        return -1;
    struct bv_capsule_event e = {.kind = BV_CAPSULE_GONE, .fd = -1};
    if (got == 0) {
        *ret = e;
        return 0;
    }

    const char *is = json_string_value(json_object_get(m.body, "is"));
    size_t i = 0;
    while (i < sizeof(kinds) / sizeof(kinds[0]) && (!is || strcmp(kinds[i].is, is) != 0))
        i++;
    if (i == sizeof(kinds) / sizeof(kinds[0]))
        return bv_fail(err, BV_EPROTO, 0, "the capsule's init sent an unknown event");
    e.kind = kinds[i].kind;
    e.status = (int)json_integer_value(json_object_get(m.body, "status"));
    e.fd = bv_msg_take_fd(&m, 0);
    if (e.kind == BV_CAPSULE_START_FAILED)
        bv_fail(&e.error, (enum bv_code)json_integer_value(json_object_get(m.body, "code")), 0, "%s",
                json_string_value(json_object_get(m.body, "text")));
    *ret = e;
    return 0;
}
