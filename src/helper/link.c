/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper/list.h"
#include "helper/private.h"

static const char usage[] = "usage: bivouac-link check|probe BRIDGE ADDRESS\n"
                            "       bivouac-link make BRIDGE ADDRESS MAC FD\n"
                            "       bivouac-link up|down|remove FD\n"
                            "Links the network namespace FD of a job to a bridge of this host; see bivouac-link(8).\n";

static int bad_usage(struct bv_error *err)
{
    return bv_fail(err, BV_EUSAGE, 0, "not called as it should be: see bivouac-link --help");
}

static int parse_fd(const char *text, int *ret, struct bv_error *err)
{
    size_t n = strlen(text);
    if (n == 0 || n > 7 || strspn(text, "0123456789") != n || atoi(text) < 3)
        return bad_usage(err);
    *ret = atoi(text);
    return 0;
}

/* May the caller have this address on this bridge? */
static int allow(uid_t uid, const char *bridge, const char *text, struct bv_ip *ret, struct bv_error *err)
{
    if (bv_ip_parse(text, ret) < 0)
        return bv_fail(err, BV_EUSAGE, 0, "that is no address");
    return uid == 0 ? 0 : helper_list_ask(uid, bridge, ret, err);
}

static int check(uid_t uid, char **argv, int ask, struct bv_error *err)
{
    struct bv_ip address;
    struct helper_bridge bridge;
    if (allow(uid, argv[0], argv[1], &address, err) < 0 || helper_become(uid, err) < 0 ||
        helper_bridge_find(argv[0], &bridge, err) < 0)
        return -1;
    return ask ? helper_probe(&bridge, &address, argv[1], err) : 0;
}

static int make(uid_t uid, char **argv, struct bv_error *err)
{
    int fd;
    uint32_t number;
    struct bv_ip address;
    struct helper_bridge bridge;
    uint8_t mac[BV_MAC_SIZE];
    if (parse_fd(argv[3], &fd, err) < 0)
        return -1;
    if (bv_mac_parse(argv[2], mac) < 0)
        return bv_fail(err, BV_EUSAGE, 0, "that is no hardware address");
    if (allow(uid, argv[0], argv[1], &address, err) < 0 || helper_become(uid, err) < 0 ||
        helper_check_namespace(fd, uid, &number, err) < 0 || helper_bridge_find(argv[0], &bridge, err) < 0)
        return -1;
    return helper_pair_make(&bridge, mac, fd, number, err);
}

/* What is there already: "up", "down" or "remove". */
static int change(uid_t uid, const char *how, const char *fd_text, struct bv_error *err)
{
    int fd;
    uint32_t number;
    if (parse_fd(fd_text, &fd, err) < 0 || helper_become(uid, err) < 0 ||
        helper_check_namespace(fd, uid, &number, err) < 0)
        return -1;
    if (strcmp(how, "remove") == 0)
        return helper_pair_remove(number, err);
    return helper_pair_switch(number, strcmp(how, "up") == 0, err);
}

static int serve(int argc, char **argv, struct bv_error *err)
{
    uid_t uid;
    if (helper_reduce(&uid, err) < 0)
        return -1;
    if (argc == 4 && (strcmp(argv[1], "check") == 0 || strcmp(argv[1], "probe") == 0))
        return check(uid, argv + 2, argv[1][0] == 'p', err);
    if (argc == 6 && strcmp(argv[1], "make") == 0)
        return make(uid, argv + 2, err);
    if (argc == 3 && (strcmp(argv[1], "up") == 0 || strcmp(argv[1], "down") == 0 || strcmp(argv[1], "remove") == 0))
        return change(uid, argv[1], argv[2], err);
    return bad_usage(err);
}

int main(int argc, char **argv)
{
    struct bv_error err = {0};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (serve(argc, argv, &err) == 0)
        return 0;
    fprintf(stderr, "bivouac-link: %s\n", err.text);
    return err.code;
}
