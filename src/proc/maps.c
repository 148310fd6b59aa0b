/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/maps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define MAPS_MAX (256 << 20) /* bytes; vm.max_map_count is 65530 by default, some sites allow ten times that */

void bv_maps_free(struct bv_maps *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->map[i].path);
    free(m->map);
    *m = (struct bv_maps){0};
}

/* The kernel escapes a line feed in a path, as "\012", and nothing else: not even the backslash. */
static void unescape(char *path)
{
    char *to = path;
    for (const char *from = path; *from; to++) {
        if (strncmp(from, "\\012", 4) == 0) {
            *to = '\n';
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

static int strip_deleted(char *path)
{
    static const char suffix[] = " (deleted)";
    size_t n = strlen(path), m = sizeof(suffix) - 1;
    if (path[0] != '/' || n <= m || strcmp(path + n - m, suffix) != 0)
        return 0;
    path[n - m] = '\0';
    return 1;
}

/* One line, up to but not including `end`. Returns -1 if it is none of a maps file. The numbers are copied out first,
 * because sscanf() measures the whole text behind its argument: with a million lines it would never end. */
static int parse_line(const char *line, const char *end, struct bv_map *ret)
{
    struct bv_map m = {0};
    char head[160], mode[5];
    int used = 0;
    snprintf(head, sizeof(head), "%.*s", (int)(end - line < 159 ? end - line : 159), line);
    int n = sscanf(head, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 "%n", &m.start, &m.end, mode,
                   &m.offset, &m.dev_major, &m.dev_minor, &m.ino, &used);
    if (n != 7 || strlen(mode) != 4 || m.start >= m.end)
        return -1;
    m.readable = mode[0] == 'r';
    m.writable = mode[1] == 'w';
    m.executable = mode[2] == 'x';
    m.shared = mode[3] == 's';

    const char *path = line + used;
    while (path < end && *path == ' ')
        path++;
    if (path < end) {
        m.path = bv_strndup(path, (size_t)(end - path));
        m.deleted = strip_deleted(m.path);
        unescape(m.path);
    }
    *ret = m;
    return 0;
}

int bv_maps_parse(const char *text, struct bv_maps *ret, struct bv_error *err)
{
    automaps struct bv_maps maps = {0};
    for (const char *line = text; *line;) {
        const char *end = line + strcspn(line, "\n");
        if ((maps.count & (maps.count - 1)) == 0)
            maps.map = bv_realloc(maps.map, maps.count ? maps.count * 2 : 1, sizeof(*maps.map));
        if (parse_line(line, end, &maps.map[maps.count]) < 0)
            return bv_fail(err, BV_ECORRUPT, 0, "line %zu is no memory mapping", maps.count + 1);
        maps.count++;
        line = *end ? end + 1 : end;
    }
    *ret = maps;
    maps = (struct bv_maps){0};
    return 0;
}

int bv_maps_scan(int procfd, pid_t pid, struct bv_maps *ret, struct bv_error *err)
{
    char name[32];
    snprintf(name, sizeof(name), "%d/maps", (int)pid);
    autofree char *text = bv_read_proc(procfd, name, MAPS_MAX);
    if (text) {
        if (bv_maps_parse(text, ret, NULL) < 0)
            return bv_fail(err, BV_EINTERNAL, 0, "cannot make sense of the memory mappings of process %d", (int)pid);
        return 0;
    }
    switch (errno) {
    case ENOENT:
    case ESRCH:
        return bv_fail(err, BV_ENOTRUNNING, 0, "there is no process %d", (int)pid);
    case EACCES:
    case EPERM:
        return bv_fail(err, BV_EDENIED, errno, "cannot look at the memory of process %d", (int)pid);
    default:
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read the memory mappings of process %d", (int)pid);
    }
}
