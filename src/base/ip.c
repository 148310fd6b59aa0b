/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <stdlib.h>
#include <string.h>

/* --- text ---------------------------------------------------------------------------------- */

size_t bv_ip_size(const struct bv_ip *ip)
{
    return ip->family == AF_INET ? 4 : 16;
}

static int parse_prefix(const char *text, unsigned max, unsigned *ret)
{
    size_t n = strspn(text, "0123456789");
    unsigned long value = n > 0 && n < 4 && text[n] == '\0' ? strtoul(text, NULL, 10) : max + 1;
    if (value > max)
        return -1;
    *ret = (unsigned)value;
    return 0;
}

int bv_ip_parse(const char *text, struct bv_ip *ret)
{
    char address[INET6_ADDRSTRLEN];
    struct bv_ip ip = {0};
    size_t n = strcspn(text, "/");
    if (n >= sizeof(address))
        return -1;
    memcpy(address, text, n);
    address[n] = '\0';
    ip.family = strchr(address, ':') ? AF_INET6 : AF_INET;
    ip.prefix = (unsigned)bv_ip_size(&ip) * 8;
    if (inet_pton(ip.family, address, ip.bytes) != 1)
        return -1;
    if (text[n] == '/' && parse_prefix(text + n + 1, ip.prefix, &ip.prefix) < 0)
        return -1;
    *ret = ip;
    return 0;
}

int bv_ip_is_within(const struct bv_ip *ip, const struct bv_ip *network)
{
    size_t whole = network->prefix / 8;
    if (ip->family != network->family || memcmp(ip->bytes, network->bytes, whole) != 0)
        return 0;
    unsigned rest = network->prefix % 8;
    return rest == 0 || (ip->bytes[whole] ^ network->bytes[whole]) >> (8 - rest) == 0;
}

int bv_mac_parse(const char *text, uint8_t ret[BV_MAC_SIZE])
{
    uint8_t mac[BV_MAC_SIZE], any = 0;
    for (int i = 0; i < BV_MAC_SIZE; i++) {
        const char *two = text + 3L * i;
        if (strspn(two, "0123456789abcdefABCDEF") != 2 || two[2] != (i + 1 < BV_MAC_SIZE ? ':' : '\0'))
            return -1;
        mac[i] = (uint8_t)strtoul(two, NULL, 16);
        any |= mac[i];
    }
    if (mac[0] & 1 || !any)
        return -1;
    memcpy(ret, mac, BV_MAC_SIZE);
    return 0;
}

/* --- ARP ----------------------------------------------------------------------------------- */

/* A request for `ip`; from nobody, or from `ip` itself, by which those who know it learn of a new place. */
static void arp_request(const struct bv_ip *ip, const uint8_t mac[BV_MAC_SIZE], int is_ours, struct bv_ip_packet *ret)
{
    struct ether_arp arp = {.ea_hdr = {htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), BV_MAC_SIZE, 4, htons(ARPOP_REQUEST)}};
    memcpy(arp.arp_sha, mac, BV_MAC_SIZE);
    if (is_ours)
        memcpy(arp.arp_spa, ip->bytes, 4);
    memcpy(arp.arp_tpa, ip->bytes, 4);
    *ret = (struct bv_ip_packet){.protocol = ETHERTYPE_ARP, .size = sizeof(arp)};
    memset(ret->to, 0xff, BV_MAC_SIZE);
    memcpy(ret->bytes, &arp, sizeof(arp));
}

static int arp_is_told(const struct bv_ip *ip, const uint8_t *packet, size_t size)
{
    struct ether_arp arp;
    if (size < sizeof(arp))
        return 0;
    memcpy(&arp, packet, sizeof(arp));
    return arp.arp_hrd == htons(ARPHRD_ETHER) && arp.arp_pro == htons(ETHERTYPE_IP) &&
           memcmp(arp.arp_spa, ip->bytes, 4) == 0;
}

/* --- neighbour discovery ------------------------------------------------------------------- */

#define HOPS         255 /* else it has come through a router, and does not count */
#define OPTION_NONCE 14

/* Both kinds of message: header, address in question, hardware address. */
struct discovery {
    struct ip6_hdr ip;
    struct nd_neighbor_solicit nd; /* an advertisement has the same layout */
    uint8_t option[8];
};

static uint16_t icmp6_sum(const struct discovery *d)
{
    const uint8_t *bytes = (const uint8_t *)d;
    size_t length = sizeof(*d) - sizeof(d->ip);
    uint32_t sum = (uint32_t)length + IPPROTO_ICMPV6;
    for (size_t i = offsetof(struct ip6_hdr, ip6_src); i < sizeof(*d); i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static void finish(struct discovery *d, struct bv_ip_packet *ret)
{
    d->ip.ip6_flow = htonl(6U << 28);
    d->ip.ip6_plen = htons(sizeof(*d) - sizeof(d->ip));
    d->ip.ip6_nxt = IPPROTO_ICMPV6;
    d->ip.ip6_hlim = HOPS;
    d->nd.nd_ns_hdr.icmp6_cksum = icmp6_sum(d);
    *ret = (struct bv_ip_packet){.protocol = ETHERTYPE_IPV6, .size = sizeof(*d)};
    memcpy(ret->to, (uint8_t[]){0x33, 0x33}, 2);
    memcpy(ret->to + 2, d->ip.ip6_dst.s6_addr + 12, 4);
    memcpy(ret->bytes, d, sizeof(*d));
}

/* From nobody, as for duplicate address detection (RFC 4862), which is answered to all. So there may be no hardware
 * address in the option: it is a nonce (RFC 3971), of zeros. */
static void solicit(const struct bv_ip *ip, struct bv_ip_packet *ret)
{
    static const uint8_t group[16] = {0xff, 0x02, [11] = 1, [12] = 0xff};
    struct discovery d = {.nd.nd_ns_hdr.icmp6_type = ND_NEIGHBOR_SOLICIT};
    d.option[0] = OPTION_NONCE;
    d.option[1] = 1;
    memcpy(d.nd.nd_ns_target.s6_addr, ip->bytes, 16);
    memcpy(d.ip.ip6_dst.s6_addr, group, 16);
    memcpy(d.ip.ip6_dst.s6_addr + 13, ip->bytes + 13, 3);
    finish(&d, ret);
}

static void advertise(const struct bv_ip *ip, const uint8_t mac[BV_MAC_SIZE], struct bv_ip_packet *ret)
{
    static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
    struct discovery d = {.nd.nd_ns_hdr.icmp6_type = ND_NEIGHBOR_ADVERT};
    d.nd.nd_ns_hdr.icmp6_data32[0] = ND_NA_FLAG_OVERRIDE;
    d.option[0] = ND_OPT_TARGET_LINKADDR;
    d.option[1] = 1;
    memcpy(d.option + 2, mac, BV_MAC_SIZE);
    memcpy(d.nd.nd_ns_target.s6_addr, ip->bytes, 16);
    memcpy(d.ip.ip6_src.s6_addr, ip->bytes, 16);
    memcpy(d.ip.ip6_dst.s6_addr, all_nodes, 16);
    finish(&d, ret);
}

static int discovery_is_told(const struct bv_ip *ip, const uint8_t *packet, size_t size)
{
    struct discovery d = {0};
    size_t least = offsetof(struct discovery, option);
    if (size < least)
        return 0;
    memcpy(&d, packet, least);
    return d.ip.ip6_nxt == IPPROTO_ICMPV6 && d.ip.ip6_hlim == HOPS && d.nd.nd_ns_hdr.icmp6_type == ND_NEIGHBOR_ADVERT &&
           memcmp(d.nd.nd_ns_target.s6_addr, ip->bytes, 16) == 0;
}

/* --- either -------------------------------------------------------------------------------- */

void bv_ip_ask(const struct bv_ip *ip, const uint8_t mac[BV_MAC_SIZE], struct bv_ip_packet *ret)
{
    if (ip->family == AF_INET)
        arp_request(ip, mac, 0, ret);
    else
        solicit(ip, ret);
}

void bv_ip_tell(const struct bv_ip *ip, const uint8_t mac[BV_MAC_SIZE], struct bv_ip_packet *ret)
{
    if (ip->family == AF_INET)
        arp_request(ip, mac, 1, ret);
    else
        advertise(ip, mac, ret);
}

int bv_ip_is_told(const struct bv_ip *ip, const uint8_t *packet, size_t size)
{
    return ip->family == AF_INET ? arp_is_told(ip, packet, size) : discovery_is_told(ip, packet, size);
}
