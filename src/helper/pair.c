/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/rtnl.h"
#include "helper/private.h"

#define DRIVER_OF_BRIDGES "bridge"
#define DRIVER_OF_PAIRS   "veth"
#define MAC_OUTER         0xfe /* first byte of an outer end's */

static int open_control(struct bv_error *err)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket") : fd;
}

int helper_bridge_find(const char *name, struct helper_bridge *ret, struct bv_error *err)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq r = {0};
    struct helper_bridge b = {.name = name};
    if (!*name || strlen(name) >= IFNAMSIZ)
        return bv_fail(err, BV_EUSAGE, 0, "a bridge's name has 1 to %d bytes", IFNAMSIZ - 1);
    autoclose int fd = open_control(err);
    if (fd < 0)
        return -1;
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    if (ioctl(fd, SIOCGIFINDEX, &r) < 0)
        return bv_fail(err, BV_EHOST, 0,
                       "this host has no bridge %s: run the job where it is, or have an administrator make it", name);
    b.index = r.ifr_ifindex;
    r.ifr_data = (char *)&info;
    if (ioctl(fd, SIOCETHTOOL, &r) < 0 || strcmp(info.driver, DRIVER_OF_BRIDGES) != 0)
        return bv_fail(err, BV_EHOST, 0, "the interface %s of this host is no bridge", name);
    if (ioctl(fd, SIOCGIFFLAGS, &r) < 0 || !(r.ifr_flags & IFF_UP))
        return bv_fail(err, BV_EHOST, 0, "the bridge %s of this host is down", name);
    if (ioctl(fd, SIOCGIFMTU, &r) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot read the MTU of the bridge %s", name);
    b.mtu = r.ifr_mtu;
    if (ioctl(fd, SIOCGIFHWADDR, &r) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot read the address of the bridge %s", name);
    memcpy(b.mac, r.ifr_hwaddr.sa_data, sizeof(b.mac));
    *ret = b;
    return 0;
}

/* Derived from the namespace: who may name the one may switch the other. */
static void name_outer(uint32_t number, char ret[IFNAMSIZ])
{
    snprintf(ret, IFNAMSIZ, "bv%u", number);
}

static void put_text(struct bv_rtnl *m, uint16_t type, const char *text)
{
    bv_rtnl_put(m, type, text, strlen(text) + 1);
}

static int make(const struct helper_bridge *bridge, const uint8_t mac[BV_MAC_SIZE], int fd, uint32_t number)
{
    struct bv_rtnl m;
    struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
    char outer[IFNAMSIZ];
    /* A bridge takes the lowest address of its interfaces for its own: this one is too high to change it. */
    const uint8_t outer_mac[BV_MAC_SIZE] = {MAC_OUTER, mac[1], mac[2], mac[3], mac[4], mac[5]};
    name_outer(number, outer);
    bv_rtnl_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
    put_text(&m, IFLA_IFNAME, outer);
    bv_rtnl_put(&m, IFLA_ADDRESS, outer_mac, sizeof(outer_mac));
    bv_rtnl_put(&m, IFLA_MTU, &bridge->mtu, sizeof(bridge->mtu));
    bv_rtnl_put(&m, IFLA_MASTER, &bridge->index, sizeof(bridge->index));
    size_t info = bv_rtnl_open(&m, IFLA_LINKINFO, NULL, 0);
    put_text(&m, IFLA_INFO_KIND, "veth");
    size_t data = bv_rtnl_open(&m, IFLA_INFO_DATA, NULL, 0);
    size_t peer = bv_rtnl_open(&m, VETH_INFO_PEER, &head, sizeof(head));
    put_text(&m, IFLA_IFNAME, BV_LINK_NAME);
    bv_rtnl_put(&m, IFLA_MTU, &bridge->mtu, sizeof(bridge->mtu));
    bv_rtnl_put(&m, IFLA_ADDRESS, mac, BV_MAC_SIZE);
    bv_rtnl_put(&m, IFLA_NET_NS_FD, &fd, sizeof(fd));
    bv_rtnl_close(&m, peer);
    bv_rtnl_close(&m, data);
    bv_rtnl_close(&m, info);
    return bv_rtnl_do(&m);
}

/* Is the interface of that name an outer end of ours? */
static int is_outer(uint32_t number)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq r = {0};
    autoclose int fd = open_control(NULL);
    name_outer(number, r.ifr_name);
    if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &r) < 0 || (uint8_t)r.ifr_hwaddr.sa_data[0] != MAC_OUTER)
        return 0;
    r.ifr_data = (char *)&info;
    return ioctl(fd, SIOCETHTOOL, &r) == 0 && strcmp(info.driver, DRIVER_OF_PAIRS) == 0;
}

int helper_pair_make(const struct helper_bridge *bridge, const uint8_t mac[BV_MAC_SIZE], int fd, uint32_t number,
                     struct bv_error *err)
{
    int rc = make(bridge, mac, fd, number), why = errno;
    /* The number is that of a namespace that lives, and is the caller's. So what has the name is, too; or its namespace
     * is gone, and somebody had moved its inner end to another one before. */
    if (rc < 0 && why == EEXIST && is_outer(number) && helper_pair_remove(number, NULL) == 0) {
        rc = make(bridge, mac, fd, number);
        why = errno;
    }
    if (rc < 0)
        return bv_fail(err, BV_EHOST, why, "cannot link the job's network to the bridge %s", bridge->name);
    return 0;
}

int helper_pair_switch(uint32_t number, int up, struct bv_error *err)
{
    struct ifreq r = {0};
    autoclose int fd = open_control(err);
    if (fd < 0)
        return -1;
    name_outer(number, r.ifr_name);
    if (ioctl(fd, SIOCGIFFLAGS, &r) < 0)
        return bv_fail(err, BV_EHOST, errno, "the job's network has no link to this host");
    r.ifr_flags = (short)(up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
    if (ioctl(fd, SIOCSIFFLAGS, &r) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot bring the job's link %s", up ? "up" : "down");
    return 0;
}

int helper_pair_remove(uint32_t number, struct bv_error *err)
{
    struct bv_rtnl m;
    struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
    char outer[IFNAMSIZ];
    name_outer(number, outer);
    bv_rtnl_begin(&m, RTM_DELLINK, 0, &head, sizeof(head));
    put_text(&m, IFLA_IFNAME, outer);
    return bv_rtnl_do(&m) < 0 ? bv_fail(err, BV_EHOST, errno, "cannot remove the job's link") : 0;
}
