/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "config/value.h"

/* The name of the user, by whom we are run and not by what the environment says; NULL if he has none. */
static const char *user_name(void)
{
    const struct passwd *p = getpwuid(geteuid());
    return p ? p->pw_name : NULL;
}

static int expand(const char *text, const char *user, char ret[PATH_MAX])
{
    size_t n = 0;
    for (const char *c = text; *c; c++) {
        const char *piece = c;
        size_t length = 1;
        if (*c == '%' && *++c != '%') {
            piece = *c == 'u' ? user : NULL;
            length = piece ? strlen(piece) : 0;
        }
        if (!piece || n + length >= PATH_MAX)
            return -1;
        memcpy(ret + n, piece, length);
        n += length;
    }
    ret[n] = '\0';
    return 0;
}

int bv_value_path(const char *text, char **ret, struct bv_error *err)
{
    const char *home = getenv("HOME"), *user = strstr(text, "%u") ? user_name() : "";
    char path[PATH_MAX];
    if (!user)
        return bv_fail(err, BV_EUSAGE, 0, "'%.200s': the user %u has no name that %%u could stand for", text,
                       (unsigned)geteuid());
    if (text[0] == '~' && text[1] == '/' && (!home || home[0] != '/'))
        return bv_fail(err, BV_EUSAGE, 0, "'%.200s': HOME is not set, for which ~ stands", text);
    autofree char *whole = text[0] == '~' && text[1] == '/' ? bv_asprintf("%s%s", home, text + 1) : bv_strdup(text);
    if (whole[0] != '/' || expand(whole, user, path) < 0)
        return bv_fail(
            err, BV_EUSAGE, 0,
            "'%.200s' is no path for a file: write one that begins with / or ~/, with %%u for the user's name", text);
    *ret = bv_strdup(path);
    return 0;
}
