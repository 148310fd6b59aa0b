/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/list.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r"

/* What is asked, and where we are. */
struct reading {
    const struct helper_caller *who;
    const char *bridge;
    const struct bv_ip *address;
    unsigned line;
    struct bv_error *err;
};

static int refuse(const struct reading *r, const char *what)
{
    return bv_fail(r->err, BV_EDENIED, 0, "%s:%u: %s; while that is so, nobody may use a bridge", HELPER_LIST, r->line,
                   what);
}

/* A user's or group's number. 1, or 0 if `text` is no number. */
static int parse_number(const char *text, unsigned *ret)
{
    char *end;
    if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 10)
        return 0;
    unsigned long value = strtoul(text, &end, 10);
    if (value >= UINT32_MAX)
        return 0;
    *ret = (unsigned)value;
    return 1;
}

static int is_in_group(const struct helper_caller *who, gid_t group)
{
    for (size_t i = 0; i < who->group_count; i++)
        if (who->groups[i] == group)
            return 1;
    return 0;
}

/* A name that nobody has is nobody's: users leave, and the list stays. */
static int is_meant(const struct helper_caller *who, const char *text)
{
    unsigned number;
    if (strcmp(text, "*") == 0)
        return 1;
    if (*text == '@')
        return (parse_number(text + 1, &number) || who->group(text + 1, &number) == 0) && is_in_group(who, number);
    return (parse_number(text, &number) || who->user(text, &number) == 0) && who->uid == number;
}

/* 1 = it is among them. Each is looked at, whatever comes of it. */
static int is_among(const struct reading *r, char *addresses)
{
    int found = 0;
    for (char *next = addresses; next;) {
        struct bv_ip network;
        char *one = strsep(&next, ",");
        if (strcmp(one, "any") == 0)
            found = 1;
        else if (bv_ip_parse(one, &network) < 0)
            return refuse(r, "there is something that is neither an address, nor a network, nor \"any\"");
        else
            found |= bv_ip_is_within(r->address, &network);
    }
    return found;
}

/* 1 = it is allowed, 0 = not by this line. */
static int take_line(const struct reading *r, char *line)
{
    char *word[5], *save = NULL;
    int n = 0;
    line[strcspn(line, "#")] = '\0';
    for (char *w = strtok_r(line, BLANKS, &save); w && n < 5; w = strtok_r(NULL, BLANKS, &save))
        word[n++] = w;
    if (n == 0)
        return 0;
    if (n != 4 || strcmp(word[0], "allow") != 0)
        return refuse(r, "this is no line \"allow WHO BRIDGE ADDRESS[,ADDRESS...]\"");
    if (strlen(word[2]) >= IFNAMSIZ)
        return refuse(r, "no bridge has so long a name");
    int among = is_among(r, word[3]);
    if (among <= 0)
        return among;
    return strcmp(word[2], r->bridge) == 0 && is_meant(r->who, word[1]);
}

int helper_list_allows(char *text, size_t size, const struct helper_caller *who, const char *bridge,
                       const struct bv_ip *address, struct bv_error *err)
{
    struct reading r = {.who = who, .bridge = bridge, .address = address, .err = err};
    int allowed = 0;
    text[size] = '\0';
    if (strlen(text) != size)
        return refuse(&r, "there is a NUL in it");
    for (char *next = text; next;) {
        r.line++;
        int rc = take_line(&r, strsep(&next, "\n"));
        if (rc < 0)
            return -1;
        allowed |= rc;
    }
    if (!allowed)
        return bv_fail(err, BV_EDENIED, 0,
                       "no line of %s lets you use the bridge %s with this address: ask your administrator",
                       HELPER_LIST, bridge);
    return 0;
}
