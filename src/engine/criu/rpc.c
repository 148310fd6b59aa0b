/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/criu/criu.h"

#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define MESSAGE_MAX (64 << 10) /* criu's own limit for a message is smaller */

static int send_request(struct criu *c, const CriuReq *req, struct bv_error *err)
{
    size_t size = criu_req__get_packed_size(req);
    autofree uint8_t *buf = bv_alloc(size);
    criu_req__pack(req, buf);
    if (send(c->sock, buf, size, MSG_NOSIGNAL) != (ssize_t)size)
        return bv_fail(err, BV_EENGINE, errno, "criu does not take the request");
    return 0;
}

static int take_fd(struct msghdr *mh)
{
    int fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(mh);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len >= CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(c), sizeof(int));
    return fd;
}

static int receive(struct criu *c, CriuResp **ret, int *ret_fd, struct bv_error *err)
{
    autofree uint8_t *buf = bv_alloc(MESSAGE_MAX);
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = buf, .iov_len = MESSAGE_MAX};
    struct msghdr mh = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_LEN(sizeof(int))};

    ssize_t n;
    do
        n = recvmsg(c->sock, &mh, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == ECONNRESET)
        n = 0; /* it died with our request unread */
    if (n < 0)
        return bv_fail(err, BV_EENGINE, errno, "no answer from criu");
    autoclose int fd = take_fd(&mh);
    if (n == 0)
        return bv_fail(err, BV_EENGINE, 0, "criu ended without an answer");

    CriuResp *resp = mh.msg_flags & MSG_TRUNC ? NULL : criu_resp__unpack(NULL, (size_t)n, buf);
    if (!resp)
        return bv_fail(err, BV_EENGINE, 0, "criu sent an answer that cannot be read");
    *ret = resp;
    *ret_fd = steal_fd(&fd);
    return 0;
}

int criu_call(struct criu *c, CriuReq *req, criu_notify notify, void *arg, CriuResp **ret, struct bv_error *err)
{
    if (send_request(c, req, err) < 0)
        return -1;

    struct bv_error refused = {0};
    for (;;) {
        CriuResp *resp = NULL;
        int fd = -1;
        if (receive(c, &resp, &fd, refused.code ? NULL : err) < 0) {
            if (refused.code && err)
                *err = refused;
            return -1;
        }
        if (resp->type != CRIU_REQ_TYPE__NOTIFY) {
            c->is_done = 1;
            if (fd >= 0)
                close(fd);
            if (refused.code) {
                criu_resp__free_unpacked(resp, NULL);
                if (err)
                    *err = refused;
                return -1;
            }
            *ret = resp;
            return 0;
        }

        const char *script = resp->notify && resp->notify->script ? resp->notify->script : "";
        int ok = notify(arg, script, fd, &refused) == 0;
        criu_resp__free_unpacked(resp, NULL);

        CriuReq answer = CRIU_REQ__INIT;
        answer.type = CRIU_REQ_TYPE__NOTIFY;
        answer.has_notify_success = 1;
        answer.notify_success = ok;
        if (send_request(c, &answer, refused.code ? NULL : err) < 0) {
            if (refused.code && err)
                *err = refused;
            return -1;
        }
    }
}
