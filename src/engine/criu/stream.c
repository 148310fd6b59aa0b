/* SPDX-License-Identifier: Apache-2.0 */
/* The receiving side of CRIU's image streaming (criu/img-streamer.c, images/img-streamer.proto): for each image comes a
 * request with its name, 4 bytes of length and a message, and then, by itself, the read end of a pipe. */
#include "engine/criu/criu.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/name.h"

#define CAPTURE_SOCKET "streamer-capture.sock"
#define REQUEST_MAX    512   /* a name of at most 255 bytes and its framing */
#define WORD_TIMEOUT   10000 /* ms until the rest of a request that has begun is there */
#define PIPE_SIZE      (1 << 20)

struct bv_engine_stream {
    int listener, connection;
    int ended;
};

int criu_stream_open(int images_fd, struct bv_engine_stream **ret, struct bv_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* By descriptor: the path of a store may be longer than a socket's address can be. */
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" CAPTURE_SOCKET, images_fd);
    autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot listen for images in the staging directory");
    struct bv_engine_stream *s = bv_alloc(sizeof(*s));
    s->listener = steal_fd(&fd);
    s->connection = -1;
    *ret = s;
    return 0;
}

int criu_stream_fd(const struct bv_engine_stream *s)
{
    if (s->ended)
        return -1;
    return s->connection >= 0 ? s->connection : s->listener;
}

void criu_stream_close(struct bv_engine_stream *s)
{
    if (!s)
        return;
    close_fd(&s->listener);
    close_fd(&s->connection);
    free(s);
}

/* Exactly `size` bytes. 1, or 0 at an orderly end before the first. */
static int receive(int fd, void *buf, size_t size, struct bv_error *err)
{
    size_t done = 0;
    while (done < size) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, WORD_TIMEOUT);
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t n = ready > 0 ? recv(fd, (char *)buf + done, size - done, MSG_DONTWAIT) : -1;
        if (n == 0 && done == 0)
            return 0;
        if (n <= 0)
            return bv_fail(err, BV_EPROTO, 0, "criu sent half a request for an image");
        done += (size_t)n;
    }
    return 1;
}

static int receive_pipe(int fd, struct bv_error *err)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr mh = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_LEN(sizeof(int))};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int pipe_fd = -1;
    if (poll(&p, 1, WORD_TIMEOUT) > 0 && recvmsg(fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) > 0) {
        struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(&pipe_fd, CMSG_DATA(c), sizeof(int));
    }
    if (pipe_fd < 0)
        return bv_fail(err, BV_EPROTO, 0, "criu sent no pipe for an image");
    fcntl(pipe_fd, F_SETPIPE_SZ, PIPE_SIZE); /* fewer switches; less is slower, not wrong */
    fcntl(pipe_fd, F_SETFL, O_NONBLOCK);
    return pipe_fd;
}

static int receive_name(int fd, char name[256], struct bv_error *err)
{
    uint8_t length[4], text[REQUEST_MAX];
    int got = receive(fd, length, sizeof(length), err);
    if (got <= 0)
        return got;
    size_t size = length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
    if (size > sizeof(text))
        return bv_fail(err, BV_EPROTO, 0, "criu sent a request for an image that is too long");
    if (receive(fd, text, size, err) <= 0)
        return bv_fail(err, BV_EPROTO, 0, "criu sent half a request for an image");
    StreamerRequest *r = streamer_request__unpack(NULL, size, text);
    int good = r && bv_is_component(r->filename);
    if (good)
        snprintf(name, 256, "%s", r->filename);
    if (r)
        streamer_request__free_unpacked(r, NULL);
    return good ? 1 : bv_fail(err, BV_EPROTO, 0, "criu sent a request for an image without a usable name");
}

int criu_stream_next(struct bv_engine_stream *s, struct bv_engine_image *ret, struct bv_error *err)
{
    if (s->connection < 0) {
        s->connection = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (s->connection < 0)
            return bv_fail(err, BV_EINTERNAL, errno, "cannot accept criu's connection");
        close_fd(&s->listener);
        return 0;
    }
    struct bv_engine_image image;
    int got = receive_name(s->connection, image.name, err);
    if (got == 0)
        s->ended = 1;
    if (got <= 0)
        return got;
    image.pipe = receive_pipe(s->connection, err);
    if (image.pipe < 0)
        return -1;
    image.early = strcmp(image.name, "cpuinfo.img") == 0;
    *ret = image;
    return 1;
}
