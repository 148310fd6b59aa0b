/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram as a client sends it to the control socket, or the capsule's init to the supervisor: the first byte says
 * which, and how many descriptors come along. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/msg.h"
#include "capsule/capsule.h"

#define FDS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_with(int sock, const uint8_t *data, size_t size, int fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (void *)data, .iov_len = size};
    struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count > 0) {
        mh.msg_control = control.bytes;
        mh.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
        for (int i = 0; i < fd_count; i++)
            memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &sock, sizeof(int));
    }
    if (sendmsg(sock, &mh, MSG_DONTWAIT) < 0)
        return; /* longer than a socket takes */
}

static void receive(int sock)
{
    automsg struct bv_msg m = {0};
    int got = bv_msg_recv(sock, &m, bv_deadline_in(5), NULL);
    if ((got == 1) != (m.body != NULL) || (m.body && !json_is_object(m.body)) || m.fd_count > BV_MSG_FDS)
        abort();
}

static void take_event(int sock)
{
    struct bv_capsule c = {.sock = sock};
    struct bv_capsule_event e = {.fd = -1};
    if (bv_capsule_event(&c, &e, NULL) == 0 && e.fd >= 0)
        close(e.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    if (size == 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
    send_with(pair[0], data + 1, size - 1, data[0] / 2 % (FDS_MAX + 1));
    shutdown(pair[0], SHUT_WR); /* descriptors in flight may be this very socket: a close would not end it */
    if (data[0] % 2)
        take_event(pair[1]);
    else
        receive(pair[1]);
    close(pair[0]);
    close(pair[1]);

    /* Nothing that came along may stay open. */
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (next != pair[0] && next != pair[1])
        abort();
    close(next);
    return 0;
}
