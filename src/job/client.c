/* SPDX-License-Identifier: Apache-2.0 */
#include "job/client.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/msg.h"

/* `flags` is 0, or SOCK_NONBLOCK for a connection that is made at once or not at all. */
static int connect_to(const char *job, const struct bv_attempt_info *a, int flags, struct bv_error *err)
{
    if (!a->alive)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s is not running", job);
    if (!a->here && !a->same_host)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s runs on host %s: ask there", job, a->host.name);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, a->socket_path, sizeof(address.sun_path));
    address.sun_path[sizeof(address.sun_path) - 1] = '\0';
    autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
    if (fd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : BV_ENOTRUNNING, errno, "job %s cannot be reached at %s%s",
                       job, address.sun_path,
                       a->here ? "" : " (it runs in a container of this host: ask inside of it)");
    return steal_fd(&fd);
}

int bv_client_call(const char *job, const struct bv_attempt_info *a, const json_t *request,
                   const struct bv_client_call_options *options, json_t **ret, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(options->timeout);
    autoclose int fd = connect_to(job, a, 0, err);
    if (fd < 0 || bv_msg_send(fd, request, NULL, 0, deadline, err) < 0)
        return -1;

    for (;;) {
        automsg struct bv_msg m = {0};
        int got = bv_msg_recv(fd, &m, deadline, err);
        if (got < 0)
            return -1;
        if (got == 0)
            return bv_fail(err, BV_ENOTRUNNING, 0, "job %s ended before it answered", job);
        const char *phase = json_string_value(json_object_get(m.body, "phase"));
        if (phase) {
            if (options->progress)
                options->progress(options->arg, phase);
            continue;
        }
        if (json_is_true(json_object_get(m.body, "ok"))) {
            *ret = json_incref(m.body);
            return 0;
        }
        autofree char *text = NULL;
        if (bv_json_get_bytes(m.body, "text", &text, err) < 0)
            return -1;
        return bv_fail(err, (enum bv_code)json_integer_value(json_object_get(m.body, "code")), 0, "%s", text);
    }
}

/* --- many at once --- */

#define ASKED_AT_ONCE 256

/* An answer is there: take it if it is one. 1 = nothing more will come. */
static int take_status(struct bv_client_ask *a, int fd, struct bv_deadline deadline)
{
    automsg struct bv_msg m = {0};
    if (bv_msg_recv(fd, &m, deadline, NULL) <= 0)
        return 1;
    if (!json_is_true(json_object_get(m.body, "ok")))
        return 0;
    a->status = json_incref(m.body);
    return 1;
}

static void ask_some(struct bv_client_ask *ask, size_t count, struct bv_deadline deadline)
{
    struct pollfd p[ASKED_AT_ONCE];
    size_t open = 0;
    autojson json_t *request = json_pack("{s:s}", "op", "status");
    for (size_t i = 0; i < count; i++) {
        p[i] = (struct pollfd){.fd = connect_to(ask[i].job, ask[i].attempt, SOCK_NONBLOCK, NULL), .events = POLLIN};
        if (p[i].fd >= 0 && bv_msg_send(p[i].fd, request, NULL, 0, deadline, NULL) < 0)
            close_fd(&p[i].fd);
        open += p[i].fd >= 0;
    }
    while (open > 0 && !bv_deadline_passed(deadline)) {
        int n = poll(p, count, bv_deadline_ms(deadline));
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        for (size_t i = 0; n > 0 && i < count; i++) {
            if (p[i].fd < 0 || !p[i].revents || !take_status(&ask[i], p[i].fd, deadline))
                continue;
            close_fd(&p[i].fd);
            open--;
        }
    }
    for (size_t i = 0; i < count; i++)
        close_fd(&p[i].fd);
}

void bv_client_ask_all(struct bv_client_ask *ask, size_t count, double timeout)
{
    struct bv_deadline deadline = bv_deadline_in(timeout);
    for (size_t i = 0; i < count; i++)
        ask[i].status = NULL;
    for (size_t i = 0; i < count; i += ASKED_AT_ONCE)
        ask_some(ask + i, count - i < ASKED_AT_ONCE ? count - i : ASKED_AT_ONCE, deadline);
}
