/* SPDX-License-Identifier: Apache-2.0 */
#include "job/running.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "job/runtime.h"

struct found {
    struct bv_running *list;
    size_t count;
};

/* By way of the directory's descriptor: its owner may put another one in its place meanwhile. Who answers must be its
 * owner, or somebody else could be taken for him. */
static int connect_to(int dirfd, const char *name, uid_t owner)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int n = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dirfd, name);
    autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || n >= (int)sizeof(address.sun_path) || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != owner)
        return -1;
    return steal_fd(&fd);
}

static int is_socket_name(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".sock") == 0;
}

static void add_directory(struct found *f, const char *path)
{
    struct stat st;
    autoclose int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dirfd < 0 || fstat(dirfd, &st) < 0 || (st.st_mode & 077) || (geteuid() != 0 && st.st_uid != geteuid()))
        return;
    autoclosedir DIR *dir = fdopendir(dup(dirfd));
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && f->count < BV_RUNNING_MAX; e = readdir(dir)) {
        int fd = is_socket_name(e->d_name) ? connect_to(dirfd, e->d_name, st.st_uid) : -1;
        if (fd < 0)
            continue;
        f->list = bv_realloc(f->list, f->count + 1, sizeof(f->list[0]));
        f->list[f->count++] = (struct bv_running){.fd = fd, .uid = st.st_uid};
    }
}

static void add_all(struct found *f, const char *pattern, const char *except)
{
    glob_t g = {0};
    if (glob(pattern, GLOB_NOSORT, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc; i++)
            if (strcmp(g.gl_pathv[i], except) != 0)
                add_directory(f, g.gl_pathv[i]);
    globfree(&g);
}

int bv_running_connect(struct bv_running **ret, size_t *ret_count, struct bv_error *err)
{
    struct found f = {0};
    autofree char *own = NULL;
    if (bv_runtime_dir(&own, err) < 0)
        return -1;
    add_directory(&f, own);
    if (geteuid() == 0) {
        add_all(&f, "/run/user/*/bivouac", own);
        add_all(&f, "/tmp/bivouac-*", own);
    }
    *ret = f.list;
    *ret_count = f.count;
    return 0;
}

void bv_running_free(struct bv_running *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close_fd(&list[i].fd);
    free(list);
}
