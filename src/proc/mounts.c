/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/mounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define MOUNTINFO_MAX (64 << 20) /* bytes */

enum { DEVICE = 2, ROOT, POINT }; /* fields, from 0 */

void bv_mounts_free(struct bv_mounts *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->mount[i].root);
        free(m->mount[i].path);
        free(m->mount[i].type);
    }
    free(m->mount);
    *m = (struct bv_mounts){0};
}

static int is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* Spaces, tabs, line feeds and backslashes are "\040" and so on. */
static void unescape(char *path)
{
    char *to = path;
    for (const char *from = path; *from; to++) {
        if (from[0] == '\\' && is_octal(from[1]) && is_octal(from[2]) && is_octal(from[3])) {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* The next word of the line, which is cut there; *at is moved behind it. NULL if there is none. */
static char *next_field(char **at)
{
    char *field = *at + strspn(*at, " ");
    if (!*field)
        return NULL;
    *at = field + strcspn(field, " ");
    if (**at)
        *(*at)++ = '\0';
    return field;
}

/* One line, which is taken apart. Returns -1 if it is none of a mountinfo file. */
static int parse_line(char *line, struct bv_mount *ret)
{
    unsigned major, minor;
    char *fields[POINT + 1], *field;
    for (int i = 0; i <= POINT; i++)
        if (!(fields[i] = next_field(&line)))
            return -1;
    char *path = fields[POINT], *root = fields[ROOT];
    if (path[0] != '/' || sscanf(fields[DEVICE], "%u:%u", &major, &minor) != 2)
        return -1;
    while ((field = next_field(&line)) && strcmp(field, "-") != 0)
        ;
    char *type = field ? next_field(&line) : NULL;
    if (!type)
        return -1;
    unescape(path);
    unescape(root);
    *ret = (struct bv_mount){
        .dev = makedev(major, minor), .root = bv_strdup(root), .path = bv_strdup(path), .type = bv_strdup(type)};
    return 0;
}

void bv_mounts_parse(const char *text, struct bv_mounts *ret)
{
    struct bv_mounts m = {0};
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        autofree char *copy = bv_strndup(line, n);
        if ((m.count & (m.count - 1)) == 0)
            m.mount = bv_realloc(m.mount, m.count ? m.count * 2 : 1, sizeof(*m.mount));
        m.count += parse_line(copy, &m.mount[m.count]) == 0;
        line += n + (line[n] == '\n');
    }
    *ret = m;
}

int bv_mounts_read(struct bv_mounts *ret, struct bv_error *err)
{
    autofree char *text = bv_read_proc(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX);
    if (!text)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read the list of mounts");
    bv_mounts_parse(text, ret);
    return 0;
}

int bv_mounts_read_of(int procfd, pid_t pid, struct bv_mounts *ret, struct bv_error *err)
{
    char name[32];
    snprintf(name, sizeof(name), "%d/mountinfo", (int)pid);
    autofree char *text = bv_read_proc(procfd, name, MOUNTINFO_MAX);
    if (!text)
        return bv_fail(err, BV_ENOTRUNNING, errno, "cannot read the list of mounts of process %d", (int)pid);
    bv_mounts_parse(text, ret);
    return 0;
}

static int is_in(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strcmp(dir, "/") == 0 || (strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

const struct bv_mount *bv_mounts_of(const struct bv_mounts *m, const char *path)
{
    const struct bv_mount *best = NULL;
    for (size_t i = 0; i < m->count; i++)
        if (is_in(path, m->mount[i].path) && (!best || strlen(m->mount[i].path) >= strlen(best->path)))
            best = &m->mount[i];
    return best;
}

/* What of `path` is behind `dir`, beginning with a slash or empty; NULL if it is not in there. */
static const char *behind(const char *path, const char *dir)
{
    return !is_in(path, dir) ? NULL : strcmp(dir, "/") == 0 ? path : path + strlen(dir);
}

static char *join(const char *dir, const char *rest)
{
    char *all = bv_asprintf("%s%s", strcmp(dir, "/") == 0 ? "" : dir, strcmp(rest, "/") == 0 ? "" : rest);
    if (*all)
        return all;
    free(all);
    return bv_strdup("/");
}

char *bv_mounts_map(const struct bv_mounts *inner, const struct bv_mounts *outer, const char *path)
{
    const struct bv_mount *in = bv_mounts_of(inner, path);
    if (!in)
        return NULL;
    autofree char *within = join(in->root, behind(path, in->path));
    for (size_t i = 0; i < outer->count; i++) {
        const struct bv_mount *out = &outer->mount[i];
        const char *rest = out->dev == in->dev ? behind(within, out->root) : NULL;
        if (!rest)
            continue;
        autofree char *there = join(out->path, rest);
        if (bv_mounts_of(outer, there) == out) /* and nothing is mounted over it */
            return steal_ptr(&there);
    }
    return NULL;
}

int bv_mount_is_remote(const char *type)
{
    static const char *const names[] = {"nfs",  "fuse", "lustre", "gpfs", "beegfs",  "ceph",
                                        "cifs", "smb",  "9p",     "afs",  "virtiofs"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(type, names[i], strlen(names[i])) == 0)
            return 1;
    return 0;
}
