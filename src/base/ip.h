/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Internet addresses, and how neighbours on one segment are asked and told about them: by ARP (RFC 5227) for IPv4, by
 * neighbour discovery (RFC 4861) for IPv6. Plain bytes; who sends them has the socket. */

#define BV_MAC_SIZE 6

/* The interface of a job that has an address of its own. */
#define BV_LINK_NAME "eth0"

struct bv_ip {
    int family;        /* AF_INET or AF_INET6 */
    uint8_t bytes[16]; /* 4 of IPv4 */
    unsigned prefix;   /* length of its network's, all bits if there was none */
};

/* "192.0.2.7", "192.0.2.7/24", and the like of IPv6. -1 if it is none. */
int bv_ip_parse(const char *text, struct bv_ip *ret);
size_t bv_ip_size(const struct bv_ip *ip); /* bytes */
int bv_ip_is_within(const struct bv_ip *ip, const struct bv_ip *network);

/* "02:00:00:00:00:07", of one station. -1 if it is none. */
int bv_mac_parse(const char *text, uint8_t ret[BV_MAC_SIZE]);

/* A packet behind its Ethernet header. */
struct bv_ip_packet {
    uint16_t protocol; /* ETH_P_… */
    uint8_t to[BV_MAC_SIZE];
    uint8_t bytes[96];
    size_t size;
};

/* Who has this address? Nobody who hears it learns anything of us. */
void bv_ip_ask(const struct bv_ip *ip, const uint8_t mac[BV_MAC_SIZE], struct bv_ip_packet *ret);
/* This address is here now. */
void bv_ip_tell(const struct bv_ip *ip, const uint8_t mac[BV_MAC_SIZE], struct bv_ip_packet *ret);
/* Does this packet, which may be anything, say that somebody has this address? */
int bv_ip_is_told(const struct bv_ip *ip, const uint8_t *packet, size_t size);
