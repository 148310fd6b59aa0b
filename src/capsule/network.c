/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/private.h"

#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/rtnl.h"

#define ROUTE_TIMEOUT 3 /* s; the kernel takes milliseconds */

/* By which the job reaches itself. */
struct local_route {
    uint8_t family, prefix;
    int index; /* of the interface */
    uint8_t to[16], from[16];
};

/* What the kernel itself makes for the loopback interface. */
static const struct local_route loopback[] = {
    {AF_INET, 8, 0, {127}, {127, 0, 0, 1}},
    {AF_INET, 32, 0, {127, 0, 0, 1}, {127, 0, 0, 1}},
    {AF_INET6, 128, 0, {[15] = 1}, {0}},
};

static void begin(struct bv_rtnl *m, uint16_t type, uint16_t flags, const struct local_route *r)
{
    size_t size = r->family == AF_INET ? 4 : 16;
    struct rtmsg head = {.rtm_family = r->family,
                         .rtm_dst_len = r->prefix,
                         .rtm_table = RT_TABLE_LOCAL,
                         .rtm_protocol = RTPROT_KERNEL,
                         .rtm_scope = r->family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
                         .rtm_type = RTN_LOCAL};
    bv_rtnl_begin(m, type, flags, &head, sizeof(head));
    bv_rtnl_put(m, RTA_DST, r->to, size);
    bv_rtnl_put(m, RTA_OIF, &r->index, sizeof(r->index));
}

/* IPv6 puts a second route beside one of another metric; and a host may have no IPv6 at all. The kernel makes that of a
 * new address a moment later. */
static int remove_old(const struct local_route *r, double patience)
{
    struct bv_rtnl m;
    struct bv_deadline end = bv_deadline_in(patience);
    if (r->family == AF_INET)
        return 1;
    for (;;) {
        begin(&m, RTM_DELROUTE, 0, r);
        if (bv_rtnl_do(&m) == 0)
            return 1;
        if (bv_deadline_passed(end))
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

/* Between processes of the job each byte is acknowledged at once. Else the kernel would wait up to 40 ms to do it, and
 * hold back what another small write has sent until then (tcp(7), TCP_NODELAY): its timer goes on while the tree is
 * frozen, and what it sets free between the dumps of both ends is in neither. */
static int acknowledge_at_once(const struct local_route *r, double patience, struct bv_error *err)
{
    static const uint32_t yes = 1;
    struct bv_rtnl m;
    if (!remove_old(r, patience))
        return 0;
    begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, r);
    if (r->family == AF_INET)
        bv_rtnl_put(&m, RTA_PREFSRC, r->from, 4);
    size_t metrics = bv_rtnl_open(&m, RTA_METRICS, NULL, 0);
    bv_rtnl_put(&m, RTAX_QUICKACK, &yes, sizeof(yes));
    bv_rtnl_close(&m, metrics);
    return bv_rtnl_do(&m) == 0 ? 0 : bv_fail(err, BV_EHOST, errno, "cannot set up the routes of the job's network");
}

int capsule_loopback_up(struct bv_error *err)
{
    autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot bring up the loopback interface of the job's network");
    for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
        struct local_route r = loopback[i];
        r.index = (int)if_nametoindex("lo");
        if (acknowledge_at_once(&r, 0, err) < 0)
            return -1;
    }
    return 0;
}

/* As the kernel makes it for an address that an interface has. */
static struct local_route route_to(const struct sockaddr *a, const char *interface)
{
    struct local_route r = {.family = (uint8_t)a->sa_family, .index = (int)if_nametoindex(interface)};
    r.prefix = r.family == AF_INET ? 32 : 128;
    if (r.family == AF_INET)
        memcpy(r.to, &((const struct sockaddr_in *)a)->sin_addr, 4);
    else
        memcpy(r.to, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
    memcpy(r.from, r.to, sizeof(r.from));
    return r;
}

/* Those that are for neighbours alone come when there are neighbours. */
static int is_its_own(const struct ifaddrs *a)
{
    int family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;
    if (a->ifa_flags & IFF_LOOPBACK)
        return 0;
    return family == AF_INET ||
           (family == AF_INET6 &&
            !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr));
}

int capsule_own_addresses(struct bv_error *err)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot list the addresses of the job's network");
    int rc = 0;
    for (const struct ifaddrs *a = all; a && rc == 0; a = a->ifa_next) {
        if (!is_its_own(a))
            continue;
        struct local_route r = route_to(a->ifa_addr, a->ifa_name);
        rc = acknowledge_at_once(&r, ROUTE_TIMEOUT, err);
    }
    freeifaddrs(all);
    return rc;
}
