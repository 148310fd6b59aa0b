/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "proc/inside.h"

#define TABLE_MAX (64 << 20) /* bytes; a line of /proc/net/tcp6 has ~190: some 350000 sockets */

int bv_socket_protocol(int procfd, pid_t pid, int fd, char ret[BV_PROTOCOL_NAME])
{
    char path[96], name[BV_PROTOCOL_NAME];
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%d/fd/%d", procfd, (int)pid, fd);
    ssize_t n = getxattr(path, "system.sockprotoname", name, sizeof(name) - 1);
    if (n < 0)
        return -1;
    name[n] = '\0';
    memcpy(ret, name, sizeof(name));
    return 0;
}

void bv_inet_free(struct bv_inet_sockets *s)
{
    free(s->socket);
    *s = (struct bv_inet_sockets){0};
}

/* Addresses are printed as 32-bit words in host order, so that the words' bytes in memory are the address. */
static int parse_address(const char *hex, int v6, uint8_t ret[16])
{
    size_t words = v6 ? 4 : 1;
    if (strlen(hex) != words * 8)
        return -1;
    for (size_t i = 0; i < words; i++) {
        char word[9];
        snprintf(word, sizeof(word), "%s", hex + 8 * i);
        uint32_t value = (uint32_t)strtoul(word, NULL, 16);
        memcpy(ret + 4 * i, &value, 4);
    }
    return 0;
}

static int parse_inet_line(const char *line, int v6, struct bv_inet_socket *ret)
{
    struct bv_inet_socket s = {.v6 = v6};
    char local[33], remote[33];
    int n = sscanf(line,
                   " %*u: %32[0-9A-Fa-f]:%x %32[0-9A-Fa-f]:%x %x %" SCNx64 ":%" SCNx64 " %*x:%*x %*x %*u %*d %" SCNu64,
                   local, &s.local_port, remote, &s.remote_port, &s.state, &s.tx_queue, &s.rx_queue, &s.inode);
    if (n != 8 || parse_address(local, v6, s.local) < 0 || parse_address(remote, v6, s.remote) < 0)
        return -1;
    *ret = s;
    return 0;
}

int bv_inet_parse(const char *text, int v6, struct bv_inet_sockets *ret, struct bv_error *err)
{
    autoinet struct bv_inet_sockets all = {0};
    const char *line = text + strcspn(text, "\n"); /* the first line names the columns */
    line += *line == '\n';
    while (*line) {
        size_t length = strcspn(line, "\n");
        char copy[512];
        snprintf(copy, sizeof(copy), "%.*s", (int)(length < sizeof(copy) ? length : sizeof(copy) - 1), line);
        if ((all.count & (all.count - 1)) == 0)
            all.socket = bv_realloc(all.socket, all.count ? all.count * 2 : 1, sizeof(*all.socket));
        if (parse_inet_line(copy, v6, &all.socket[all.count]) < 0)
            return bv_fail(err, BV_ECORRUPT, 0, "line %zu describes no socket", all.count + 2);
        all.count++;
        line += length;
        line += *line == '\n';
    }
    *ret = all;
    all = (struct bv_inet_sockets){0};
    return 0;
}

/* Addresses of both families in one form: IPv4 as ::ffff:a.b.c.d. */
static void widen(const struct bv_inet_socket *s, const uint8_t address[16], uint8_t ret[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(ret, s->v6 ? address : mapped, s->v6 ? 16 : 12);
    if (!s->v6)
        memcpy(ret + 12, address, 4);
}

int bv_inet_are_ends(const struct bv_inet_socket *a, const struct bv_inet_socket *b)
{
    uint8_t here[16], there[16];
    if (a->local_port != b->remote_port || a->remote_port != b->local_port)
        return 0;
    widen(a, a->local, here);
    widen(b, b->remote, there);
    if (memcmp(here, there, 16) != 0)
        return 0;
    widen(a, a->remote, here);
    widen(b, b->local, there);
    return memcmp(here, there, 16) == 0;
}

int bv_inet_is_loopback(const struct bv_inet_socket *s)
{
    static const uint8_t one[16] = {[15] = 1};
    uint8_t remote[16];
    widen(s, s->remote, remote);
    return (remote[10] == 0xff && remote[12] == 127) || memcmp(remote, one, 16) == 0;
}

void bv_inet_text(const uint8_t address[16], int v6, char ret[BV_ADDRESS_TEXT])
{
    inet_ntop(v6 ? AF_INET6 : AF_INET, address, ret, BV_ADDRESS_TEXT);
}

static int denied_or_gone(pid_t pid, int sys_errno, struct bv_error *err)
{
    if (sys_errno == ENOENT || sys_errno == ESRCH)
        return bv_fail(err, BV_ENOTRUNNING, 0, "there is no process %d", (int)pid);
    enum bv_code code = sys_errno == EACCES || sys_errno == EPERM ? BV_EDENIED : BV_EINTERNAL;
    return bv_fail(err, code, sys_errno, "cannot list the sockets around process %d", (int)pid);
}

int bv_inet_scan(int procfd, pid_t pid, const char *table, struct bv_inet_sockets *ret, struct bv_error *err)
{
    char name[64];
    snprintf(name, sizeof(name), "%d/net/%s", (int)pid, table);
    autofree char *text = bv_read_proc(procfd, name, TABLE_MAX);
    if (!text && errno == ENOENT) { /* no such process, or a kernel without IPv6 */
        snprintf(name, sizeof(name), "%d/net", (int)pid);
        if (faccessat(procfd, name, F_OK, 0) == 0) {
            *ret = (struct bv_inet_sockets){0};
            return 0;
        }
    }
    if (!text)
        return denied_or_gone(pid, errno, err);
    if (bv_inet_parse(text, strchr(table, '6') != NULL, ret, NULL) < 0)
        return bv_fail(err, BV_EINTERNAL, 0, "cannot make sense of /proc/%d/net/%s", (int)pid, table);
    return 0;
}

size_t bv_inet_leaving(int procfd, pid_t pid)
{
    static const char *const tables[] = {"tcp", "tcp6"};
    size_t n = 0;
    for (size_t k = 0; k < 2; k++) {
        autoinet struct bv_inet_sockets t = {0};
        if (bv_inet_scan(procfd, pid, tables[k], &t, NULL) < 0)
            continue;
        for (size_t i = 0; i < t.count; i++) {
            unsigned state = t.socket[i].state;
            n += t.socket[i].inode == 0 &&
                 (state == BV_INET_FIN_WAIT1 || state == BV_INET_LAST_ACK || state == BV_INET_CLOSING);
        }
    }
    return n;
}

void bv_unix_free(struct bv_unix_sockets *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->socket[i].name);
    free(s->socket);
    free(s->waiting);
    *s = (struct bv_unix_sockets){0};
}

static int diag_socket(const void *arg)
{
    (void)arg;
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

static void take_name(struct bv_unix_socket *s, const char *bytes, size_t size)
{
    if (size == 0)
        return;
    s->name = bv_strndup("", 0);
    s->name = bv_realloc(s->name, size + 1, 1);
    for (size_t i = 0; i < size; i++)
        s->name[i] = bytes[i] > 32 && bytes[i] < 127 ? bytes[i] : '?';
    s->name[size] = '\0';
    if (bytes[0] == '\0')
        s->name[0] = '@';
    else
        s->name[strnlen(bytes, size)] = '\0'; /* a path may come with its NUL */
}

static void take_waiting(struct bv_unix_sockets *all, uint64_t listener, const struct rtattr *a)
{
    size_t n = RTA_PAYLOAD(a) / sizeof(uint32_t);
    all->waiting = bv_realloc(all->waiting, all->waiting_count + n + 1, sizeof(*all->waiting));
    for (size_t i = 0; i < n; i++) {
        uint32_t client;
        memcpy(&client, (const char *)RTA_DATA(a) + i * sizeof(client), sizeof(client));
        all->waiting[all->waiting_count++] = (struct bv_unix_waiting){.listener = listener, .client = client};
    }
}

static void take_socket(const struct nlmsghdr *h, struct bv_unix_sockets *all)
{
    const struct unix_diag_msg *m = NLMSG_DATA(h);
    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
        return;
    struct bv_unix_socket s = {.inode = m->udiag_ino, .type = m->udiag_type};

    size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
    for (const struct rtattr *a = (const struct rtattr *)(m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(a) >= sizeof(uint32_t)) {
            uint32_t peer;
            memcpy(&peer, RTA_DATA(a), sizeof(peer));
            s.peer = peer;
        } else if (a->rta_type == UNIX_DIAG_NAME && !s.name) {
            take_name(&s, RTA_DATA(a), RTA_PAYLOAD(a));
        } else if (a->rta_type == UNIX_DIAG_ICONS) {
            take_waiting(all, s.inode, a);
        } else if (a->rta_type == UNIX_DIAG_RQLEN && RTA_PAYLOAD(a) >= sizeof(struct unix_diag_rqlen)) {
            struct unix_diag_rqlen length;
            memcpy(&length, RTA_DATA(a), sizeof(length));
            s.unread = length.udiag_wqueue;
        }
    }
    if ((all->count & (all->count - 1)) == 0)
        all->socket = bv_realloc(all->socket, all->count ? all->count * 2 : 1, sizeof(*all->socket));
    all->socket[all->count++] = s;
}

/* Receive one datagram of the answer. Returns 1 when it was the last one, 0 if more follow, -1 with errno. */
static int receive(int diag, struct bv_unix_sockets *all)
{
    char buf[32768] __attribute__((aligned(8)));
    ssize_t n = recv(diag, buf, sizeof(buf), 0);
    if (n < 0)
        return errno == EINTR ? 0 : -1;
    if (n == 0)
        return 1;

    size_t left = (size_t)n;
    for (const struct nlmsghdr *h = (const struct nlmsghdr *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        if (h->nlmsg_type == NLMSG_DONE)
            return 1;
        if (h->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *e = NLMSG_DATA(h);
            errno = h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) ? -e->error : EIO;
            return -1;
        }
        if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY)
            take_socket(h, all);
    }
    return 0;
}

static int dump_unix(int diag, struct bv_unix_sockets *all)
{
    struct {
        struct nlmsghdr h;
        struct unix_diag_req r;
    } request = {
        .h = {.nlmsg_len = sizeof(request),
              .nlmsg_type = SOCK_DIAG_BY_FAMILY,
              .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .r = {.sdiag_family = AF_UNIX,
              .udiag_states = ~0U,
              .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN},
    };
    if (send(diag, &request, sizeof(request), 0) < 0)
        return -1;
    for (;;) {
        int done = receive(diag, all);
        if (done)
            return done < 0 ? -1 : 0;
    }
}

static int by_inode(const void *a, const void *b)
{
    const struct bv_unix_socket *x = a, *y = b;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

int bv_unix_scan(int procfd, pid_t pid, struct bv_unix_sockets *ret, struct bv_error *err)
{
    autoclose int diag = bv_open_inside(procfd, pid, "net", diag_socket, NULL);
    if (diag < 0)
        return denied_or_gone(pid, errno, err);

    autounix struct bv_unix_sockets all = {0};
    if (dump_unix(diag, &all) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot ask the kernel about unix sockets");
    if (all.count)
        qsort(all.socket, all.count, sizeof(*all.socket), by_inode);
    *ret = all;
    all = (struct bv_unix_sockets){0};
    return 0;
}

const struct bv_unix_socket *bv_unix_find(const struct bv_unix_sockets *s, uint64_t inode)
{
    const struct bv_unix_socket key = {.inode = inode};
    return s->count ? bsearch(&key, s->socket, s->count, sizeof(*s->socket), by_inode) : NULL;
}
