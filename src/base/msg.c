/* SPDX-License-Identifier: Apache-2.0 */
#include "base/msg.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/mem.h"

/* Wait until `events` happen on `sock`. 1 = they did, 0 = the deadline passed. */
static int wait_for(int sock, short events, struct bv_deadline deadline, struct bv_error *err)
{
    for (;;) {
        struct pollfd p = {.fd = sock, .events = events};
        int n = poll(&p, 1, bv_deadline_ms(deadline));
        if (n > 0)
            return 1;
        if (n == 0)
            return bv_fail(err, BV_ETIMEOUT, 0, "no answer before the deadline");
        if (errno != EINTR)
            return bv_fail(err, BV_EINTERNAL, errno, "poll");
    }
}

int bv_msg_send(int sock, const json_t *msg, const int *fds, int fd_count, struct bv_deadline deadline,
                struct bv_error *err)
{
    autofree char *text = bv_json_canonical(msg);
    struct iovec iov = {.iov_base = text, .iov_len = strlen(text)};
    if (iov.iov_len > BV_MSG_MAX || fd_count > BV_MSG_FDS)
        return bv_fail(err, BV_EPROTO, 0, "a message of %zu bytes is too long", iov.iov_len);

    char control[CMSG_SPACE(sizeof(int) * BV_MSG_FDS)] = {0};
    struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count > 0) {
        mh.msg_control = control;
        mh.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)fd_count);
    }

    for (;;) {
        ssize_t n = sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            return 0;
        if (errno == EAGAIN && wait_for(sock, POLLOUT, deadline, err) < 0)
            return -1;
        if (errno == EMSGSIZE)
            return bv_fail(err, BV_EPROTO, errno, "a message of %zu bytes", iov.iov_len);
        if (errno != EAGAIN && errno != EINTR)
            return bv_fail(err, BV_EINTERNAL, errno, "cannot send a message");
    }
}

static void take_fds(struct msghdr *mh, struct bv_msg *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (m->fd_count < BV_MSG_FDS)
                m->fds[m->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

/* A peer that ended with messages of ours unread is reported once with ECONNRESET, before what it had sent. */
static int try_again(int sys_errno)
{
    return sys_errno == EAGAIN || sys_errno == EINTR || sys_errno == ECONNRESET;
}

int bv_msg_recv(int sock, struct bv_msg *ret, struct bv_deadline deadline, struct bv_error *err)
{
    autofree char *text = NULL;
    automsg struct bv_msg m = {0};
    char control[CMSG_SPACE(sizeof(int) * BV_MSG_FDS)];
    struct iovec iov;
    struct msghdr mh;
    ssize_t n;

    for (;;) {
        if (wait_for(sock, POLLIN, deadline, err) < 0)
            return -1;
        /* The length first: a message of the full size is rare. */
        n = recv(sock, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
        if (n < 0 && try_again(errno))
            continue;
        if (n < 0)
            return bv_fail(err, BV_EINTERNAL, errno, "cannot receive a message");
        size_t room = (size_t)n > BV_MSG_MAX ? 0 : (size_t)n;
        free(text);
        text = bv_alloc(room + 1);
        iov = (struct iovec){.iov_base = text, .iov_len = room};
        mh = (struct msghdr){
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n >= 0)
            break;
        if (!try_again(errno))
            return bv_fail(err, BV_EINTERNAL, errno, "cannot receive a message");
    }

    take_fds(&mh, &m);
    if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return bv_fail(err, BV_EPROTO, 0, "a message longer than allowed");
    if (n == 0)
        return 0;
    if (bv_json_parse(text, (size_t)n, &m.body, NULL) < 0 || !json_is_object(m.body))
        return bv_fail(err, BV_EPROTO, 0, "a message that is not a JSON object");

    *ret = m;
    m = (struct bv_msg){0};
    return 1;
}

void bv_msg_free(struct bv_msg *m)
{
    json_decref(m->body);
    for (int i = 0; i < m->fd_count; i++)
        close_fd(&m->fds[i]);
    *m = (struct bv_msg){0};
}

int bv_msg_take_fd(struct bv_msg *m, int i)
{
    return i < m->fd_count ? steal_fd(&m->fds[i]) : -1;
}
