/* SPDX-License-Identifier: Apache-2.0 */
#include "job/runtime.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/mem.h"

static int make_private(const char *path, struct bv_error *err)
{
    struct stat st;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create %s", path);
    if (lstat(path, &st) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot stat %s", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
        return bv_fail(err, BV_EDENIED, 0,
                       "%s is not a directory of yours alone (mode 0700): remove it, or set "
                       "BIVOUAC_RUNTIME_DIR",
                       path);
    return 0;
}

/* $XDG_RUNTIME_DIR, if it is really there and ours: batch jobs inherit the variable of a login that has ended. */
static const char *xdg_runtime(void)
{
    struct stat st;
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    return xdg && xdg[0] == '/' && lstat(xdg, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() ? xdg : NULL;
}

int bv_runtime_dir(char **ret, struct bv_error *err)
{
    const char *given = getenv("BIVOUAC_RUNTIME_DIR"), *xdg = xdg_runtime();
    autofree char *path = given && given[0] == '/' ? bv_strdup(given)
                          : xdg                    ? bv_asprintf("%s/bivouac", xdg)
                                                   : bv_asprintf("/tmp/bivouac-%u", (unsigned)geteuid());
    if (make_private(path, err) < 0)
        return -1;
    *ret = steal_ptr(&path);
    return 0;
}

int bv_runtime_socket(const char *store_path, const char *job, unsigned long long salt, char ret[108],
                      struct bv_error *err)
{
    autofree char *dir = NULL;
    if (bv_runtime_dir(&dir, err) < 0)
        return -1;
    autofree char *key = bv_asprintf("%s\n%s\n%llu", store_path, job, salt);
    int n = snprintf(ret, 108, "%s/%016llx.sock", dir, (unsigned long long)XXH3_64bits(key, strlen(key)));
    if (n >= 108)
        return bv_fail(err, BV_EINTERNAL, 0, "%s is too long for a socket: set BIVOUAC_RUNTIME_DIR", dir);
    return 0;
}

void bv_runtime_forget(const char *socket_path)
{
    struct stat st;
    autofree char *dir = NULL;
    const char *slash = strrchr(socket_path, '/');
    if (!slash || bv_runtime_dir(&dir, NULL) < 0)
        return;
    /* The path comes from the store: nothing else of the user's is removed on its word. */
    size_t n = strlen(dir);
    if (strncmp(socket_path, dir, n) == 0 && socket_path + n == slash && lstat(socket_path, &st) == 0 &&
        S_ISSOCK(st.st_mode))
        unlink(socket_path);
}
