/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/io.h"
#include "base/rtnl.h"
#include "capsule/private.h"

#define CARRIER_TIMEOUT 5 /* s; the kernel takes milliseconds from "up" to a link that carries */

static int open_namespace(const struct bv_capsule *c, const char *kind, struct bv_error *err)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)c->init, kind);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? bv_fail(err, BV_EENGINE, errno, "cannot open a namespace of the job's capsule") : fd;
}

int bv_capsule_open_network(const struct bv_capsule *c, struct bv_error *err)
{
    return open_namespace(c, "net", err);
}

/* --- within -------------------------------------------------------------------------------- */

static int index_of_link(struct bv_error *err)
{
    unsigned index = if_nametoindex(BV_LINK_NAME);
    return index ? (int)index : bv_fail(err, BV_EHOST, errno, "the job's network has no interface " BV_LINK_NAME);
}

/* It is there before anything listens to it, and nobody else has it: looking for duplicates would only delay it. */
static int add_address(const struct bv_ip *ip, int index, struct bv_error *err)
{
    struct bv_rtnl m;
    struct ifaddrmsg head = {.ifa_family = (uint8_t)ip->family,
                             .ifa_prefixlen = (uint8_t)ip->prefix,
                             .ifa_flags = IFA_F_NODAD,
                             .ifa_index = (unsigned)index};
    bv_rtnl_begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
    bv_rtnl_put(&m, IFA_LOCAL, ip->bytes, bv_ip_size(ip));
    bv_rtnl_put(&m, IFA_ADDRESS, ip->bytes, bv_ip_size(ip));
    return bv_rtnl_do(&m) < 0 ? bv_fail(err, BV_EHOST, errno, "cannot set the job's address") : 0;
}

static int bring_up(int index, struct bv_error *err)
{
    struct bv_rtnl m;
    struct ifinfomsg head = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    bv_rtnl_begin(&m, RTM_NEWLINK, 0, &head, sizeof(head));
    return bv_rtnl_do(&m) < 0 ? bv_fail(err, BV_EHOST, errno, "cannot bring up the job's end of its link") : 0;
}

static int add_gateway(const struct bv_ip *gateway, int index, struct bv_error *err)
{
    struct bv_rtnl m;
    struct rtmsg head = {.rtm_family = (uint8_t)gateway->family,
                         .rtm_table = RT_TABLE_MAIN,
                         .rtm_protocol = RTPROT_STATIC,
                         .rtm_scope = RT_SCOPE_UNIVERSE,
                         .rtm_type = RTN_UNICAST};
    bv_rtnl_begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
    bv_rtnl_put(&m, RTA_GATEWAY, gateway->bytes, bv_ip_size(gateway));
    bv_rtnl_put(&m, RTA_OIF, &index, sizeof(index));
    if (bv_rtnl_do(&m) == 0)
        return 0;
    return bv_fail(err, BV_EHOST, errno, "cannot set the job's gateway, which must be in the network of its address");
}

static int set_address(const struct bv_capsule_address *a, struct bv_error *err)
{
    int index = index_of_link(err);
    if (index < 0 || add_address(&a->address, index, err) < 0 || bring_up(index, err) < 0 ||
        capsule_own_addresses(err) < 0)
        return -1;
    return a->gateway.family ? add_gateway(&a->gateway, index, err) : 0;
}

static int own_addresses(const struct bv_capsule_address *none, struct bv_error *err)
{
    (void)none;
    return capsule_own_addresses(err);
}

/* What is sent before the link carries is dropped without a word. */
static int await_carrier(struct bv_error *err)
{
    struct ifreq r = {.ifr_name = BV_LINK_NAME};
    struct bv_deadline end = bv_deadline_in(CARRIER_TIMEOUT);
    autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    while (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &r) == 0) {
        if (r.ifr_flags & IFF_RUNNING)
            return 0;
        if (bv_deadline_passed(end))
            return bv_fail(err, BV_EHOST, 0, "the job's link does not carry: is the bridge still there?");
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return bv_fail(err, BV_EHOST, errno, "cannot look at the job's link");
}

static int announce(const struct bv_capsule_address *a, struct bv_error *err)
{
    struct bv_ip_packet p;
    int index = index_of_link(err);
    if (index < 0 || await_carrier(err) < 0)
        return -1;
    bv_ip_tell(&a->address, a->mac, &p);
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_protocol = htons(p.protocol), .sll_ifindex = index, .sll_halen = BV_MAC_SIZE};
    memcpy(to.sll_addr, p.to, BV_MAC_SIZE);
    autoclose int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, p.bytes, p.size, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot announce the job's address");
    return 0;
}

/* --- from outside -------------------------------------------------------------------------- */

typedef int (*step)(const struct bv_capsule_address *a, struct bv_error *err);

static int enter(const struct bv_capsule *c, struct bv_error *err)
{
    autoclose int user = open_namespace(c, "user", err);
    autoclose int net = user < 0 ? -1 : open_namespace(c, "net", err);
    if (net < 0)
        return -1;
    if (setns(user, CLONE_NEWUSER) < 0 || setns(net, CLONE_NEWNET) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot enter the job's network");
    return 0;
}

/* In a process of its own, which tells its error through a pipe. */
static int do_within(const struct bv_capsule *c, const struct bv_capsule_address *a, step what, struct bv_error *err)
{
    struct bv_error why = {0};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    autoclose int ours = ends[0], theirs = ends[1];
    pid_t child = bv_fork();
    if (child == 0) {
        int rc = enter(c, &why) < 0 ? -1 : what(a, &why);
        _exit(rc < 0 && bv_write_full(theirs, &why, sizeof(why)) == 0);
    }
    close_fd(&theirs);
    if (child < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot fork");
    ssize_t n = bv_read_full(ours, &why, sizeof(why));
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (n == (ssize_t)sizeof(why))
        return bv_fail(err, why.code, 0, "%s", why.text);
    return status == 0 ? 0 : bv_fail(err, BV_EINTERNAL, 0, "what arranges the job's network was killed");
}

int bv_capsule_set_address(const struct bv_capsule *c, const struct bv_capsule_address *a, struct bv_error *err)
{
    return do_within(c, a, set_address, err);
}

int bv_capsule_announce(const struct bv_capsule *c, const struct bv_capsule_address *a, struct bv_error *err)
{
    return do_within(c, a, announce, err);
}

int bv_capsule_own_addresses(const struct bv_capsule *c, struct bv_error *err)
{
    return do_within(c, NULL, own_addresses, err);
}
