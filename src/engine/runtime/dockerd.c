/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to dockerd. HTTP/1.0 is enough: the answer is what comes until the connection is closed. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/runtime/docker.h"

#define ANSWER_MAX (8u << 20)
#define HEAD_MAX   (16u << 10)

static int open_socket(const char *path, struct bv_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof(address.sun_path))
        return bv_fail(err, BV_EUSAGE, 0, "%s is too long for a socket", path);
    memcpy(address.sun_path, path, n + 1);
    autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return bv_fail(err, BV_ENOENGINE, errno, "dockerd does not answer on %s (start it, or set DOCKER_HOST)", path);
    return steal_fd(&fd);
}

static int send_request(int fd, const char *method, const char *path, const json_t *body, struct bv_error *err)
{
    autofree char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    autofree char *request = bv_asprintf("%s %s HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n"
                                         "Content-Length: %zu\r\n\r\n%s",
                                         method, path, text ? strlen(text) : 0, text ? text : "");
    if (bv_write_full(fd, request, strlen(request)) < 0)
        return bv_fail(err, BV_ENOENGINE, errno, "dockerd does not take a request");
    return 0;
}

/* The status of a head "HTTP/1.x NNN ...", 0 if it is none. */
static int status_of(const char *head)
{
    int status = 0;
    if (strncmp(head, "HTTP/1.", 7) != 0 || strlen(head) < 12 || head[8] != ' ')
        return 0;
    for (int i = 9; i < 12; i++) {
        if (head[i] < '0' || head[i] > '9')
            return 0;
        status = status * 10 + head[i] - '0';
    }
    return status;
}

static int refuse(int status, const json_t *answer, struct bv_error *err)
{
    const char *message = json_string_value(json_object_get(answer, "message"));
    return bv_fail(err, status == 404 ? BV_ENOJOB : BV_EENGINE, 0, "%.1500s",
                   message ? message : "dockerd does not say why");
}

/* All that comes until the end. */
static int receive(int fd, struct bv_deadline end, char **ret, size_t *ret_size, struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size = 0, room = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (room - size < 4096)
            text = bv_realloc(text, room += 1 << 16, 1);
        int n = poll(&p, 1, bv_deadline_ms(end));
        if (n == 0)
            return bv_fail(err, BV_ETIMEOUT, 0, "dockerd does not answer in time");
        ssize_t got = n > 0 ? read(fd, text + size, room - size - 1) : -1;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || size + (size_t)got > ANSWER_MAX)
            return bv_fail(err, BV_EPROTO, got < 0 ? errno : 0, "dockerd's answer cannot be read");
        if (got == 0)
            break;
        size += (size_t)got;
    }
    text[size] = '\0';
    *ret = steal_ptr(&text);
    *ret_size = size;
    return 0;
}

int dockerd_call(const char *socket, const char *method, const char *path, const json_t *body, double timeout,
                 json_t **ret, struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size = 0;
    autoclose int fd = open_socket(socket, err);
    if (fd < 0 || send_request(fd, method, path, body, err) < 0 ||
        receive(fd, bv_deadline_in(timeout), &text, &size, err) < 0)
        return -1;
    const char *gap = strstr(text, "\r\n\r\n");
    int status = status_of(text);
    if (!gap || !status)
        return bv_fail(err, BV_EPROTO, 0, "what listens on %s is not dockerd", socket);
    gap += 4;
    autojson json_t *answer = json_loadb(gap, size - (size_t)(gap - text), 0, NULL);
    if (status >= 400)
        return refuse(status, answer, err);
    if (ret)
        *ret = steal_ptr(&answer);
    return 0;
}

/* The head of an answer, byte by byte: what comes behind it is not ours. */
static int receive_head(int fd, char *head, size_t room, struct bv_error *err)
{
    struct bv_deadline end = bv_deadline_in(RUNTIME_VERB_TIMEOUT);
    size_t size = 0;
    while (size < 4 || memcmp(head + size - 4, "\r\n\r\n", 4) != 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = poll(&p, 1, bv_deadline_ms(end));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || size + 1 >= room || read(fd, head + size, 1) != 1)
            return bv_fail(err, BV_EENGINE, 0, "dockerd does not hand over the container's output");
        size++;
    }
    head[size] = '\0';
    return 0;
}

int dockerd_attach(const char *socket, const char *id, struct bv_error *err)
{
    char head[HEAD_MAX];
    autofree char *path = bv_asprintf("/containers/%s/attach?stream=1&stdout=1&stderr=1", id);
    autoclose int fd = open_socket(socket, err);
    if (fd < 0 || send_request(fd, "POST", path, NULL, err) < 0 || receive_head(fd, head, sizeof(head), err) < 0)
        return -1;
    int status = status_of(head);
    if (status != 200 && status != 101)
        return bv_fail(err, BV_EENGINE, 0, "dockerd does not hand over the container's output (HTTP %d)", status);
    return steal_fd(&fd);
}
