/* SPDX-License-Identifier: Apache-2.0 */
#include "job/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define STALE_S 60

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

int bv_runtime_job_dir(const char *store_path, const char *job, char **ret, struct bv_error *err)
{
    autofree char *dir = NULL;
    if (bv_runtime_dir(&dir, err) < 0)
        return -1;
    autofree char *key = bv_asprintf("%s\n%s", store_path, job);
    autofree char *path = bv_asprintf("%s/%016llx.job", dir, (unsigned long long)XXH3_64bits(key, strlen(key)));
    if (make_private(path, err) < 0)
        return -1;
    *ret = steal_ptr(&path);
    return 0;
}

/* A supervisor that is just making its socket does not listen yet. */
static int is_stale(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    size_t n = strlen(socket_path);
    if (n >= sizeof(address.sun_path) || lstat(socket_path, &st) < 0 || !S_ISSOCK(st.st_mode) ||
        time(NULL) - st.st_mtime < STALE_S)
        return 0;
    memcpy(address.sun_path, socket_path, n + 1);
    autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno == ECONNREFUSED;
}

int bv_runtime_stale(char ***ret, size_t *ret_count, struct bv_error *err)
{
    autofree char *dir = NULL;
    char **paths = NULL;
    size_t count = 0;
    if (bv_runtime_dir(&dir, err) < 0)
        return -1;
    autoclosedir DIR *d = opendir(dir);
    if (!d)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot list %s", dir);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        autofree char *path = bv_asprintf("%s/%s", dir, e->d_name);
        if (!is_stale(path))
            continue;
        paths = bv_realloc(paths, count + 1, sizeof(*paths));
        paths[count++] = steal_ptr(&path);
    }
    *ret = paths;
    *ret_count = count;
    return 0;
}

int bv_runtime_has(const char *socket_path)
{
    struct stat st;
    autofree char *dir = NULL;
    const char *slash = strrchr(socket_path, '/');
    if (!slash || bv_runtime_dir(&dir, NULL) < 0)
        return 0;
    size_t n = strlen(dir);
    return strncmp(socket_path, dir, n) == 0 && socket_path + n == slash && lstat(socket_path, &st) == 0 &&
           S_ISSOCK(st.st_mode);
}

void bv_runtime_forget(const char *socket_path)
{
    /* The path comes from the store: nothing else of the user's is removed on its word. */
    if (bv_runtime_has(socket_path))
        unlink(socket_path);
}
