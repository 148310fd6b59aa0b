/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define FILE_MAX (1 << 20)

static uint64_t read_number(int dirfd, const char *dir, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", *dir ? dir : ".", name);
    autofree char *text = bv_read_proc(dirfd, path, 64);
    if (!text || text[0] < '0' || text[0] > '9')
        return UINT64_MAX; /* "max", or no such file */
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    return errno ? UINT64_MAX : value;
}

/* Page cache that can be dropped counts as free. */
static uint64_t reclaimable(int dirfd, const char *dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/memory.stat", *dir ? dir : ".");
    autofree char *text = bv_read_proc(dirfd, path, FILE_MAX);
    const char *line = text ? strstr(text, "inactive_file ") : NULL;
    return line ? strtoull(line + strlen("inactive_file "), NULL, 10) : 0;
}

uint64_t bv_memory_cgroup_room(int rootfd, const char *path, int v2)
{
    uint64_t room = UINT64_MAX;
    autofree char *dir = bv_strdup(path[0] == '/' ? path + 1 : path);
    for (;;) {
        uint64_t limit = read_number(rootfd, dir, v2 ? "memory.max" : "memory.limit_in_bytes");
        uint64_t usage = read_number(rootfd, dir, v2 ? "memory.current" : "memory.usage_in_bytes");
        if (limit != UINT64_MAX && usage != UINT64_MAX) {
            uint64_t dropped = reclaimable(rootfd, dir);
            usage -= dropped < usage ? dropped : usage;
            uint64_t left = limit > usage ? limit - usage : 0;
            room = left < room ? left : room;
        }
        char *slash = strrchr(dir, '/');
        if (slash)
            *slash = '\0';
        else if (*dir)
            *dir = '\0';
        else
            return room;
    }
}

/* The path of our cgroup in the hierarchy with `controller` ("" for v2), from /proc/self/cgroup. Allocated. */
static char *own_cgroup(const char *controller)
{
    autofree char *text = bv_read_proc(AT_FDCWD, "/proc/self/cgroup", FILE_MAX);
    char *save = NULL;
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        char *names = strchr(line, ':');
        char *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        if (strcmp(names + 1, controller) == 0)
            return bv_strdup(path);
    }
    return NULL;
}

static uint64_t room_below(const char *mount_point, const char *controller, int v2)
{
    autofree char *path = own_cgroup(controller);
    autoclose int root = open(mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return path && root >= 0 ? bv_memory_cgroup_room(root, path, v2) : UINT64_MAX;
}

uint64_t bv_memory_available(void)
{
    autofree char *text = bv_read_proc(AT_FDCWD, "/proc/meminfo", FILE_MAX);
    const char *line = text ? strstr(text, "MemAvailable:") : NULL;
    uint64_t least = line ? strtoull(line + strlen("MemAvailable:"), NULL, 10) << 10 : 0;
    const uint64_t rooms[] = {
        room_below("/sys/fs/cgroup", "", 1),
        room_below("/sys/fs/cgroup/unified", "", 1),
        room_below("/sys/fs/cgroup/memory", "memory", 0),
    };
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
        least = rooms[i] < least ? rooms[i] : least;
    return least;
}
