/* SPDX-License-Identifier: Apache-2.0 */
/* Is the host's tree the one that the job has known: are its file systems mounted, and its programs there? */
#include "job/rollback_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/name.h"
#include "proc/mounts.h"

/* Lists that checkpoints of before the first release do not have. */
static int find_list(const json_t *all, const char *key, json_t **ret, struct bv_error *err)
{
    *ret = NULL;
    return json_object_get(all, key) ? bv_json_array(all, key, CAPTURE_ENTRIES, ret, err) : 0;
}

static int is_bare(const char *dir_path)
{
    autoclosedir DIR *dir = opendir(dir_path);
    return dir ? !bv_list_next(dir) : errno == ENOENT || errno == ENOTDIR;
}

static int is_mounted(const struct bv_mounts *now, const char *path)
{
    const struct bv_mount *here = bv_mounts_of(now, path);
    return here && strcmp(here->path, path) == 0;
}

/* -1 if the mount that the checkpoint names is missing. Where it was a file system and is a directory that is in use,
 * it is left to the user: the server itself, or a node with its disks cut otherwise. */
static int check_mount(const struct bv_mounts *now, const json_t *j, struct bv_error *err)
{
    autofree char *path = NULL, *type = NULL;
    if (bv_json_get_bytes(j, "path", &path, err) < 0 || bv_json_get_bytes(j, "type", &type, err) < 0)
        return -1;
    if (!bv_is_clean_path(path))
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of mounts is not valid");
    /* Looking may have it mounted. */
    automounts struct bv_mounts again = {0};
    if (is_mounted(now, path) || !is_bare(path) || bv_mounts_read(&again, err) < 0 || is_mounted(&again, path))
        return 0;
    return bv_fail(
        err, BV_EHOST, 0,
        "the job uses a file system (%s) that is not mounted on %s here: have it mounted, and restart the job "
        "again",
        type, path);
}

/* The recorded mount in which `path` was. */
static const json_t *mount_of(const json_t *mounts, const char *path)
{
    const json_t *best = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *j = json_array_get(mounts, i);
        autofree char *mount = NULL;
        if (bv_json_get_bytes(j, "path", &mount, NULL) < 0)
            continue;
        size_t n = strlen(mount);
        if (n > longest && strncmp(path, mount, n) == 0 && (path[n] == '/' || path[n] == '\0')) {
            longest = n;
            best = j;
        }
    }
    return best;
}

int rollback_check_unmounted(const json_t *all, const char *path, struct bv_error *err)
{
    const json_t *was = mount_of(json_object_get(all, "mounts"), path);
    autofree char *mount = NULL, *type = NULL;
    automounts struct bv_mounts now = {0};
    if (!was)
        return 0;
    if (bv_json_get_bytes(was, "path", &mount, err) < 0 || bv_json_get_bytes(was, "type", &type, err) < 0 ||
        bv_mounts_read(&now, err) < 0)
        return -1;
    const struct bv_mount *here = bv_mounts_of(&now, path);
    int mounted = here && strlen(here->path) >= strlen(mount);
    if (mounted || (!bv_mount_is_remote(type) && !is_bare(mount)))
        return 0;
    return bv_fail(
        err, BV_EHOST, 0,
        "%s was on a file system (%s) that is not mounted on %s here: have it mounted, and restart the job again", path,
        type, mount);
}

/* What is mapped is looked for by its name again, by the engine. */
static int check_mapped(const json_t *j, struct bv_error *err)
{
    int executed;
    struct statvfs fs;
    autofree char *path = NULL;
    if (bv_json_get_bytes(j, "path", &path, err) < 0 || bv_json_bool(j, "executed", &executed, err) < 0)
        return -1;
    if (!bv_is_clean_path(path))
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of mapped files is not valid");
    autoclose int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0; /* it may be among those that are put back; else the engine says so */
    if (fd < 0)
        return rollback_refuse(path, errno, err);
    if (executed && fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
        return bv_fail(
            err, BV_EHOST, 0,
            "%s belongs to the program of the job, and is on a file system from which nothing can be executed "
            "here: have it mounted without noexec, and restart the job again",
            path);
    return 0;
}

int rollback_check_place(const json_t *all, struct bv_error *err)
{
    json_t *mounts, *mapped;
    automounts struct bv_mounts now = {0};
    if (find_list(all, "mounts", &mounts, err) < 0 || find_list(all, "mapped", &mapped, err) < 0 ||
        bv_mounts_read(&now, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(mounts); i++)
        if (check_mount(&now, json_array_get(mounts, i), err) < 0)
            return -1;
    for (size_t i = 0; i < json_array_size(mapped); i++)
        if (check_mapped(json_array_get(mapped, i), err) < 0)
            return -1;
    return 0;
}

int bv_rollback_missing(int staging, const char *path, struct bv_error *err)
{
    autojson json_t *all = NULL;
    json_t *mounts;
    if (rollback_load(staging, &all, NULL) < 0 || find_list(all, "mounts", &mounts, NULL) < 0)
        return 0;
    return rollback_check_unmounted(all, path, err);
}
