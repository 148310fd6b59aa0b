/* SPDX-License-Identifier: Apache-2.0 */
#include "job/client.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/msg.h"

static int connect_to(const char *job, const struct bv_attempt_info *a, struct bv_error *err)
{
    if (!a->alive)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s is not running", job);
    if (!a->here)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s runs on host %s: ask there", job, a->host.name);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, a->socket_path, sizeof(address.sun_path));
    address.sun_path[sizeof(address.sun_path) - 1] = '\0';
    autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : BV_ENOTRUNNING, errno, "job %s cannot be reached at %s", job,
                       address.sun_path);
    return steal_fd(&fd);
}

int bv_client_call(const char *job, const struct bv_attempt_info *a, const json_t *request,
                   const struct bv_client_call_options *options, json_t **ret, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(options->timeout);
    autoclose int fd = connect_to(job, a, err);
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
