/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rtnl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define ANSWER_TIMEOUT 10 /* s; the kernel answers before send() returns */

/* Room for so many bytes, aligned, and zeroed; NULL if there is none. */
static unsigned char *extend(struct bv_rtnl *m, size_t size)
{
    size_t room = NLMSG_ALIGN(size);
    if (m->full || size > sizeof(m->bytes) || room > sizeof(m->bytes) - m->size) {
        m->full = 1;
        return NULL;
    }
    unsigned char *at = m->bytes + m->size;
    m->size += room;
    return memset(at, 0, room);
}

static void append(struct bv_rtnl *m, const void *data, size_t size)
{
    unsigned char *at = size ? extend(m, size) : NULL;
    if (at)
        memcpy(at, data, size);
}

void bv_rtnl_begin(struct bv_rtnl *m, uint16_t type, uint16_t flags, const void *head, size_t size)
{
    struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags, .nlmsg_seq = 1};
    m->size = 0;
    m->full = 0;
    append(m, &h, sizeof(h));
    append(m, head, size);
}

void bv_rtnl_put(struct bv_rtnl *m, uint16_t type, const void *data, size_t size)
{
    size_t at = bv_rtnl_open(m, type, data, size);
    /* Of the last bytes of data that are no multiple of 4 only the real ones count. */
    struct rtattr *a = (struct rtattr *)(m->bytes + at);
    if (!m->full)
        a->rta_len = (unsigned short)RTA_LENGTH(size);
}

size_t bv_rtnl_open(struct bv_rtnl *m, uint16_t type, const void *head, size_t size)
{
    struct rtattr a = {.rta_type = type};
    size_t at = m->size;
    append(m, &a, sizeof(a));
    append(m, head, size);
    return at;
}

void bv_rtnl_close(struct bv_rtnl *m, size_t opened)
{
    struct rtattr *a = (struct rtattr *)(m->bytes + opened);
    if (!m->full)
        a->rta_len = (unsigned short)(m->size - opened);
}

int bv_rtnl_do(struct bv_rtnl *m)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char echoed[sizeof(m->bytes)];
    } answer;
    struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (m->full) {
        errno = EMSGSIZE;
        return -1;
    }
    ((struct nlmsghdr *)m->bytes)->nlmsg_len = (unsigned)m->size;
    autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        connect(fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0 || send(fd, m->bytes, m->size, 0) < 0)
        return -1;
    ssize_t n = recv(fd, &answer, sizeof(answer), 0);
    if (n < 0)
        return -1;
    errno = (size_t)n < sizeof(answer.head) + sizeof(answer.error.error) || answer.head.nlmsg_type != NLMSG_ERROR
                ? EPROTO
                : -answer.error.error;
    return errno ? -1 : 0;
}
