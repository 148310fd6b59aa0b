/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/standin.h"

#include <fcntl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/rtnl.h"

/* IPv6 looks at its list of addresses when one is bound, not at its routes. */
static void allow_any_address(int allow)
{
    static const char *const names[] = {"/proc/sys/net/ipv4/ip_nonlocal_bind", "/proc/sys/net/ipv6/ip_nonlocal_bind"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        autoclose int fd = open(names[i], O_WRONLY | O_CLOEXEC);
        if (fd >= 0 && bv_write_full(fd, allow ? "1" : "0", 1) < 0)
            continue; /* who binds such an address will be told */
    }
}

/* "local default dev lo": add it, or take it away. -1 with errno. */
static int change_route(unsigned short type, unsigned char family)
{
    struct bv_rtnl m;
    unsigned lo = if_nametoindex("lo");
    struct rtmsg head = {.rtm_family = family,
                         .rtm_table = RT_TABLE_LOCAL,
                         .rtm_protocol = RTPROT_BOOT,
                         .rtm_scope = RT_SCOPE_HOST,
                         .rtm_type = RTN_LOCAL};
    bv_rtnl_begin(&m, type, type == RTM_NEWROUTE ? NLM_F_CREATE : 0, &head, sizeof(head));
    bv_rtnl_put(&m, RTA_OIF, &lo, sizeof(lo));
    return bv_rtnl_do(&m);
}

static int change(unsigned short type, struct bv_error *err)
{
    if (change_route(type, AF_INET) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot change the routes of the job's network");
    int without_v6 = access("/proc/sys/net/ipv6", F_OK) < 0;
    if (!without_v6 && change_route(type, AF_INET6) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot change the IPv6 routes of the job's network");
    return 0;
}

int bv_standin_open(struct bv_error *err)
{
    allow_any_address(1);
    return change(RTM_NEWROUTE, err);
}

int bv_standin_close(struct bv_error *err)
{
    allow_any_address(0);
    return change(RTM_DELROUTE, err);
}

/* A queue without room: TCP takes what is dropped for lost, and sends it again in time. */
int bv_standin_silence(int on)
{
    struct bv_rtnl m;
    struct tcmsg head = {.tcm_ifindex = (int)if_nametoindex("lo"), .tcm_parent = TC_H_ROOT};
    struct tc_fifo_qopt none = {.limit = 0};
    bv_rtnl_begin(&m, on ? RTM_NEWQDISC : RTM_DELQDISC, on ? NLM_F_CREATE | NLM_F_REPLACE : 0, &head, sizeof(head));
    if (on) {
        bv_rtnl_put(&m, TCA_KIND, "pfifo", sizeof("pfifo"));
        bv_rtnl_put(&m, TCA_OPTIONS, &none, sizeof(none));
    }
    return bv_rtnl_do(&m);
}
