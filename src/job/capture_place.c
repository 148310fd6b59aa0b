/* SPDX-License-Identifier: Apache-2.0 */
/* Where the job's files lie: the file systems it uses, and what it has mapped. A restart looks for both before it
 * touches anything. */
#include "job/capture_private.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"

/* Of the capsule, or of any host. */
static int is_always_there(const char *mount)
{
    static const char *const names[] = {"/", "/dev", "/dev/shm", "/dev/pts", "/proc", "/sys", NULL};
    for (size_t i = 0; names[i]; i++)
        if (strcmp(mount, names[i]) == 0)
            return 1;
    return strncmp(mount, "/proc/", 6) == 0 || strncmp(mount, "/sys/", 5) == 0;
}

static void note_path(struct bv_capture *c, const char *path)
{
    const struct bv_mount *m = path[0] == '/' ? bv_mounts_of(&c->now, path) : NULL;
    if (!m || is_always_there(m->path) || (c->spec->private_tmp && strcmp(m->path, "/tmp") == 0))
        return;
    autojson json_t *key = bv_json_bytes(m->path);
    if (!json_object_get(c->mounts, json_string_value(key)))
        bv_json_set(c->mounts, json_string_value(key), bv_json_bytes(m->type));
}

static void note_map(struct bv_capture *c, const struct bv_map *m)
{
    if (!m->path || m->path[0] != '/' || m->deleted || m->ino == 0 ||
        capture_covers(c, m->path, makedev(m->dev_major, m->dev_minor)))
        return;
    autojson json_t *key = bv_json_bytes(m->path);
    int executed = json_is_true(json_object_get(c->mapped, json_string_value(key)));
    bv_json_set(c->mapped, json_string_value(key), json_boolean(executed || m->executable));
    note_path(c, m->path);
}

void capture_note_process(struct bv_capture *c, int procfd, pid_t pid, const struct bv_fds *fds,
                          const struct bv_maps *maps)
{
    char name[32], cwd[PATH_MAX];
    snprintf(name, sizeof(name), "%d/cwd", (int)pid);
    ssize_t n = readlinkat(procfd, name, cwd, sizeof(cwd) - 1);
    if (n > 0) {
        cwd[n] = '\0';
        note_path(c, cwd);
    }
    for (size_t i = 0; i < fds->count; i++)
        if (fds->fd[i].kind == BV_FD_FILE || fds->fd[i].kind == BV_FD_DIR)
            note_path(c, fds->fd[i].target);
    for (size_t i = 0; i < maps->count; i++)
        note_map(c, &maps->map[i]);
}

json_t *capture_mounts_json(const struct bv_capture *c)
{
    const char *path;
    json_t *type, *all = json_array();
    json_object_foreach (c->mounts, path, type)
        bv_json_append(all, json_pack("{s:s, s:O}", "path", path, "type", type));
    return all;
}

json_t *capture_mapped_json(const struct bv_capture *c)
{
    const char *path;
    json_t *executed, *all = json_array();
    json_object_foreach (c->mapped, path, executed)
        bv_json_append(all, json_pack("{s:s, s:O}", "path", path, "executed", executed));
    return all;
}
