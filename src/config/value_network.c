/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "config/value.h"

#define KINDS    "host|private|auto"
#define OUTSIDES "none|auto|pasta|slirp4netns"

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define BRIDGE_MAX 15 /* bytes, the kernel's IFNAMSIZ - 1 */
#define HEX        "0123456789abcdefABCDEF"

void bv_network_free(struct bv_network *n)
{
    free(n->address);
    free(n->bridge);
    free(n->gateway);
    free(n->mac);
    *n = (struct bv_network){0};
}

static char *copy(const char *text)
{
    return text ? bv_strdup(text) : NULL;
}

struct bv_network bv_network_copy(const struct bv_network *n)
{
    return (struct bv_network){
        .kind = n->kind,
        .outside = n->outside,
        .address = copy(n->address),
        .bridge = copy(n->bridge),
        .gateway = copy(n->gateway),
        .mac = copy(n->mac),
    };
}

const char *bv_outside_name(enum bv_outside outside)
{
    static const char *const names[] = {"none", "auto", "pasta", "slirp4netns"};
    return names[outside];
}

const char *bv_tcp_name(enum bv_tcp tcp)
{
    static const char *const names[] = {"refuse", "close", "keep"};
    return names[tcp];
}

/* AF_INET or AF_INET6, 0 if it is no address. */
static int family_of(const char *address)
{
    uint8_t bytes[16];
    if (inet_pton(AF_INET, address, bytes) == 1)
        return AF_INET;
    return inet_pton(AF_INET6, address, bytes) == 1 ? AF_INET6 : 0;
}

/* Family of an "ADDRESS/PREFIX", 0 if it is none. */
static int family_of_net(const char *text)
{
    const char *slash = strchr(text, '/');
    uint32_t prefix;
    if (!slash || bv_value_count(slash + 1, &prefix, NULL) < 0 || prefix == 0)
        return 0;
    autofree char *address = bv_strndup(text, (size_t)(slash - text));
    int family = family_of(address);
    return prefix <= (family == AF_INET ? 32 : 128) ? family : 0;
}

static int take_address(char *value, struct bv_network *n, struct bv_error *err)
{
    n->address = value;
    return family_of_net(value)
               ? 0
               : bv_fail(err, BV_EUSAGE, 0, "'%.60s' is no ADDRESS/PREFIX, as in address=192.0.2.7/24", value);
}

static int take_bridge(char *value, struct bv_network *n, struct bv_error *err)
{
    size_t length = strlen(value);
    n->bridge = value;
    if (length == 0 || length > BRIDGE_MAX || strspn(value, NAME_BYTES) != length || value[0] == '.')
        return bv_fail(err, BV_EUSAGE, 0, "'%.60s' is no name of a bridge, as in bridge=br0", value);
    return 0;
}

static int take_gateway(char *value, struct bv_network *n, struct bv_error *err)
{
    n->gateway = value;
    return family_of(value) ? 0 : bv_fail(err, BV_EUSAGE, 0, "'%.60s' is no address, as in gateway=192.0.2.1", value);
}

/* Of one station: neither a group nor nobody. */
static int take_mac(char *value, struct bv_network *n, struct bv_error *err)
{
    n->mac = value;
    int good = strlen(value) == 17 && strcmp(value, "00:00:00:00:00:00") != 0;
    for (int i = 0; good && i < 17; i++)
        good = i % 3 == 2 ? value[i] == ':' : strchr(HEX, value[i]) != NULL;
    if (!good || strtoul(value, NULL, 16) & 1)
        return bv_fail(err, BV_EUSAGE, 0, "'%.60s' is no hardware address of one machine, as in mac=02:00:00:00:00:07",
                       value);
    return 0;
}

static int take_outside(char *value, struct bv_network *n, struct bv_error *err)
{
    autofree char *owned = value;
    int place;
    if (bv_value_word(owned, OUTSIDES, &place, err) < 0)
        return bv_wrap(err, "outside");
    n->outside = (enum bv_outside)place;
    return 0;
}

static const struct {
    const char *key;
    int (*take)(char *value, struct bv_network *n, struct bv_error *err); /* takes the value, also when it fails */
} keys[] = {
    {"outside", take_outside}, {"address", take_address}, {"bridge", take_bridge},
    {"gateway", take_gateway}, {"mac", take_mac},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* One "KEY=VALUE", of `length` bytes. */
static int take_pair(const char *text, size_t length, unsigned *seen, struct bv_network *n, struct bv_error *err)
{
    autofree char *pair = bv_strndup(text, length);
    char *equal = strchr(pair, '=');
    for (size_t i = 0; equal && i < KEYS; i++) {
        if (strlen(keys[i].key) != (size_t)(equal - pair) || strncmp(keys[i].key, pair, (size_t)(equal - pair)) != 0)
            continue;
        if (*seen & 1U << i)
            return bv_fail(err, BV_EUSAGE, 0, "%s is there twice", keys[i].key);
        *seen |= 1U << i;
        return keys[i].take(bv_strdup(equal + 1), n, err);
    }
    return bv_fail(err, BV_EUSAGE, 0,
                   "'%.60s' is nothing that a private network has: write outside=, address=, bridge=, gateway= or mac= "
                   "with a value",
                   pair);
}

/* What does not go together. */
static int check(const struct bv_network *n, unsigned seen, struct bv_error *err)
{
    if (seen && n->kind != BV_NETWORK_PRIVATE)
        return bv_fail(err, BV_EUSAGE, 0, "only a private network has keys: write private,KEY=VALUE");
    if (n->address && n->outside != BV_OUTSIDE_NONE)
        return bv_fail(err, BV_EUSAGE, 0,
                       "outside= and address= are two ways to other hosts: a job has one of them, or none");
    if (n->address && !n->bridge)
        return bv_fail(err, BV_EUSAGE, 0, "address= needs a bridge of the host that leads to others: add bridge=NAME");
    if (!n->address && (n->bridge || n->gateway || n->mac))
        return bv_fail(err, BV_EUSAGE, 0, "%s= is of a job that has an address of its own: add address=ADDRESS/PREFIX",
                       n->bridge    ? "bridge"
                       : n->gateway ? "gateway"
                                    : "mac");
    if (n->gateway && family_of(n->gateway) != family_of_net(n->address))
        return bv_fail(err, BV_EUSAGE, 0, "address= and gateway= must both be of IPv4, or both of IPv6");
    return 0;
}

static int parse(const char *text, struct bv_network *n, struct bv_error *err)
{
    size_t length = strcspn(text, ",");
    autofree char *kind = bv_strndup(text, length);
    unsigned seen = 0;
    int place;
    if (bv_value_word(kind, KINDS, &place, err) < 0)
        return -1;
    n->kind = (enum bv_network_kind)place;
    for (const char *at = text + length; *at; at += length) {
        at++;
        length = strcspn(at, ",");
        if (take_pair(at, length, &seen, n, err) < 0)
            return -1;
    }
    return check(n, seen, err);
}

int bv_value_network(const char *text, struct bv_network *ret, struct bv_error *err)
{
    struct bv_network n = {0};
    if (parse(text, &n, err) < 0) {
        bv_network_free(&n);
        return -1;
    }
    *ret = n;
    return 0;
}

static void add(char **text, const char *key, const char *value)
{
    if (!value)
        return;
    char *longer = bv_asprintf("%s,%s=%s", *text, key, value);
    free(*text);
    *text = longer;
}

char *bv_network_text(const struct bv_network *n)
{
    static const char *const kinds[] = {"host", "private", "auto"};
    char *text = bv_strdup(kinds[n->kind]);
    if (n->outside != BV_OUTSIDE_NONE)
        add(&text, "outside", bv_outside_name(n->outside));
    add(&text, "address", n->address);
    add(&text, "bridge", n->bridge);
    add(&text, "gateway", n->gateway);
    add(&text, "mac", n->mac);
    return text;
}
