/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "helper/private.h"

#define TICK   0.15 /* s in which an answer on the same segment comes */
#define SILENT 2    /* ticks without an answer, one after the other: the address is free */
#define ROUNDS 10   /* in which one is answered: a job that has just ended goes within */

static int open_segment(const struct helper_bridge *bridge, uint16_t protocol, struct bv_error *err)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = bridge->index};
    autoclose int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot listen on the bridge %s", bridge->name);
    return steal_fd(&fd);
}

static int send_packet(int fd, const struct helper_bridge *bridge, const struct bv_ip_packet *p, struct bv_error *err)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(p->protocol),
                             .sll_ifindex = bridge->index,
                             .sll_halen = BV_MAC_SIZE};
    memcpy(to.sll_addr, p->to, BV_MAC_SIZE);
    if (sendto(fd, p->bytes, p->size, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot ask on the bridge %s", bridge->name);
    return 0;
}

/* Listen for one tick, to its end. 1 = somebody has the address, and `from` is where. */
static int listen_tick(int fd, const struct bv_ip *address, uint8_t from[BV_MAC_SIZE])
{
    struct bv_deadline end = bv_deadline_in(TICK);
    int told = 0;
    while (!bv_deadline_passed(end)) {
        uint8_t packet[256];
        struct sockaddr_ll sender = {0};
        socklen_t length = sizeof(sender);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, bv_deadline_ms(end)) <= 0)
            continue;
        ssize_t n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&sender, &length);
        if (n <= 0 || sender.sll_pkttype == PACKET_OUTGOING || !bv_ip_is_told(address, packet, (size_t)n))
            continue;
        memcpy(from, sender.sll_addr, BV_MAC_SIZE);
        told = 1;
    }
    return told;
}

int helper_probe(const struct helper_bridge *bridge, const struct bv_ip *address, const char *text,
                 struct bv_error *err)
{
    struct bv_ip_packet question;
    uint8_t from[BV_MAC_SIZE] = {0}; /* gcc does not see that it is set */
    bv_ip_ask(address, bridge->mac, &question);
    autoclose int fd = open_segment(bridge, question.protocol, err);
    if (fd < 0)
        return -1;
    for (int round = 0, silent = 0; round < ROUNDS; round++) {
        if (send_packet(fd, bridge, &question, err) < 0)
            return -1;
        silent = listen_tick(fd, address, from) ? 0 : silent + 1;
        if (silent == SILENT)
            return 0;
    }
    return bv_fail(
        err, BV_EHOST, 0,
        "the address %s is in use already, by %02x:%02x:%02x:%02x:%02x:%02x on the network of bridge %s: end "
        "what has it, or give the job another",
        text, from[0], from[1], from[2], from[3], from[4], from[5], bridge->name);
}
