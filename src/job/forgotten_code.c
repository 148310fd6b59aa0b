/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/injected.h"
#include "job/forgotten.h"
#include "proc/maps.h"
#include "proc/tree.h"

#define MAPS_FIRST (16 << 10) /* of what may be megabytes; the first code is near the begin */
#define CODE_MIN   4096       /* of a mapping; CRIU passes over what is shorter */

/* Where the engine injects into a process, and what is there. */
struct code {
    pid_t pid;
    int mem;
    uint64_t at;
    unsigned char now[BV_INJECTED_SIZE];
    unsigned char file[BV_INJECTED_SIZE]; /* with `has_file`: what the mapped file has there */
    int has_file;
};

static void close_code(struct code *c)
{
    close_fd(&c->mem);
}
#define autocode __attribute__((cleanup(close_code)))

static const struct bv_map *first_code(const struct bv_maps *maps)
{
    for (size_t i = 0; i < maps->count; i++)
        if (maps->map[i].executable && maps->map[i].end - maps->map[i].start >= CODE_MIN)
            return &maps->map[i];
    return NULL;
}

/* Enough of the process's mappings to find its first code; all of them where that is far. */
static const struct bv_map *find_code(int procfd, pid_t pid, struct bv_maps *maps)
{
    char name[32];
    snprintf(name, sizeof(name), "%d/maps", (int)pid);
    autoclose int fd = openat(procfd, name, O_RDONLY | O_CLOEXEC);
    autofree char *text = bv_alloc(MAPS_FIRST + 1);
    ssize_t n = fd < 0 ? -1 : bv_read_full(fd, text, MAPS_FIRST);
    if (n <= 0)
        return NULL; /* a zombie */
    text[n] = '\0';
    char *end = strrchr(text, '\n');
    if (end)
        end[1] = '\0';
    const struct bv_map *found = bv_maps_parse(text, maps, NULL) == 0 ? first_code(maps) : NULL;
    if (found || n < MAPS_FIRST)
        return found;
    bv_maps_free(maps);
    *maps = (struct bv_maps){0};
    return bv_maps_scan(procfd, pid, maps, NULL) == 0 ? first_code(maps) : NULL;
}

static int read_file(const struct bv_map *m, unsigned char *ret)
{
    struct stat st;
    if (!m->path || m->path[0] != '/' || m->deleted)
        return 0;
    autoclose int fd = open(m->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == m->ino &&
           bv_pread_full(fd, ret, BV_INJECTED_SIZE, (off_t)m->offset) == BV_INJECTED_SIZE;
}

/* 1 = found; 0 = the process has no code, as a zombie. */
static int look(int procfd, pid_t pid, int flags, struct code *ret)
{
    char name[32];
    automaps struct bv_maps maps = {0};
    const struct bv_map *m = find_code(procfd, pid, &maps);
    snprintf(name, sizeof(name), "%d/mem", (int)pid);
    if (!m)
        return 0;
    autocode struct code c = {.pid = pid, .at = m->start, .mem = openat(procfd, name, flags | O_CLOEXEC)};
    if (c.mem < 0 || bv_pread_full(c.mem, c.now, BV_INJECTED_SIZE, (off_t)c.at) != BV_INJECTED_SIZE)
        return 0;
    c.has_file = read_file(m, c.file);
    *ret = c;
    c.mem = -1;
    return 1;
}

static json_t *entry_of(const struct code *c)
{
    char hex[2 * BV_INJECTED_SIZE + 1];
    bv_hex_into(hex, c->now, BV_INJECTED_SIZE);
    return json_pack("{s:i, s:I, s:s}", "pid", (int)c->pid, "at", (json_int_t)c->at, "bytes", hex);
}

int bv_forgotten_code_take(int procfd, pid_t root, json_t **ret, struct bv_error *err)
{
    int left_out = 0;
    autopids struct bv_pids pids = {0};
    if (bv_tree_scan(procfd, root, &pids, err) < 0)
        return -1;
    json_t *list = json_array();
    for (size_t i = 0; i < pids.count; i++) {
        autocode struct code c = {.mem = -1};
        if (!look(procfd, pids.pid[i], O_RDONLY, &c) || (c.has_file && memcmp(c.now, c.file, BV_INJECTED_SIZE) == 0))
            continue;
        if (json_array_size(list) == BV_FORGOTTEN_CODES)
            left_out++;
        else
            bv_json_append(list, entry_of(&c));
    }
    *ret = list;
    return left_out;
}

/* 1 = `ret` has them, 0 = nothing is recorded. */
static int recorded(const json_t *list, const struct code *c, unsigned char *ret, struct bv_error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i);
        if (json_integer_value(json_object_get(e, "pid")) != c->pid ||
            (uint64_t)json_integer_value(json_object_get(e, "at")) != c->at)
            continue;
        const char *hex = json_string_value(json_object_get(e, "bytes"));
        if (!hex || bv_unhex(hex, ret, BV_INJECTED_SIZE) != BV_INJECTED_SIZE)
            return bv_fail(err, BV_ECORRUPT, 0, "the code of process %d is not in hexadecimal", (int)c->pid);
        return 1;
    }
    return 0;
}

/* What is known of neither was not kept by an older Bivouac, or is the process's own. */
static int put_right(const json_t *list, struct code *c, struct bv_error *err)
{
    unsigned char *right = c->file;
    unsigned char kept[BV_INJECTED_SIZE];
    int known = recorded(list, c, kept, err);
    if (known < 0)
        return -1;
    if (known)
        right = kept;
    else if (!c->has_file)
        return 0;
    if (!bv_is_injected(c->now, right))
        return 0;
    if (pwrite(c->mem, right, BV_INJECTED_SIZE, (off_t)c->at) != BV_INJECTED_SIZE)
        return bv_fail(err, BV_ERESTORE, errno, "cannot put the code of process %d right at 0x%" PRIx64, (int)c->pid,
                       c->at);
    return 0;
}

int bv_forgotten_code_restore(const json_t *list, pid_t root, struct bv_error *err)
{
    autopids struct bv_pids pids = {0};
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0 || bv_tree_scan(procfd, root, &pids, err) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot look at the restored processes");
    for (size_t i = 0; i < pids.count; i++) {
        autocode struct code c = {.mem = -1};
        if (look(procfd, pids.pid[i], O_RDWR, &c) && put_right(list, &c, err) < 0)
            return -1;
    }
    return 0;
}
