/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "config/settings.h"
#include "job/runtime.h"
#include "store/store.h"

#define FREE_WANTED (1ULL << 30) /* bytes; less than most jobs need */

#define SCRATCH "bivouac-doctor"

/* What a commit relies on: files that are synced, linked exclusively and renamed; directories that are synced. */
static int try_file_system(int dir, int *ret_reflink, struct bv_error *err)
{
    autoclose int fd = openat(dir, "a", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || bv_write_full(fd, "bivouac", 7) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot write a file");
    if (fsync(fd) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot sync a file");
    if (linkat(dir, "a", dir, "b", 0) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot make a hard link, which fences attempts off");
    if (linkat(dir, "a", dir, "b", 0) == 0 || errno != EEXIST)
        return bv_fail(err, BV_ESTORE, 0, "a hard link replaces a file that exists");
    if (mkdirat(dir, "d", 0700) < 0 || renameat(dir, "d", dir, "e") < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot rename a directory");
    if (fsync(dir) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot sync a directory");
    autoclose int clone = openat(dir, "c", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    *ret_reflink = clone >= 0 && ioctl(clone, FICLONE, fd) == 0;
    return 0;
}

static int try_in(const char *path, int *ret_reflink, struct bv_error *err)
{
    autofree char *name = bv_asprintf("." SCRATCH ".%d", (int)getpid());
    autoclose int at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0 || mkdirat(at, name, 0700) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create a directory in %s", path);
    autoclose int dir = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int rc = dir < 0 ? bv_fail(err, BV_ESTORE, errno, "cannot open %s/%s", path, name)
                     : try_file_system(dir, ret_reflink, err);
    bv_remove_tree(at, name, NULL);
    return rc < 0 ? bv_wrap(err, "%s", path) : 0;
}

/* The nearest directory on the way to `path` that exists. */
static char *existing_parent(const char *path)
{
    struct stat st;
    char *at = bv_strdup(path);
    while (strcmp(at, "/") != 0 && strcmp(at, ".") != 0 && stat(at, &st) < 0) {
        char *slash = strrchr(at, '/');
        if (slash) {
            slash[slash == at ? 1 : 0] = '\0';
        } else {
            free(at);
            at = bv_strdup(".");
        }
    }
    return at;
}

static void check_space(struct doctor *d, const char *where)
{
    struct statvfs space;
    struct statfs fs;
    char text[16];
    if (statvfs(where, &space) < 0 || statfs(where, &fs) < 0)
        return;
    unsigned long long left = (unsigned long long)space.f_bavail * space.f_frsize;
    cmd_size_text(left, text);
    if (left < FREE_WANTED)
        doctor_say(d, DOCTOR_WARN, BV_OK, "space",
                   "a checkpoint takes about as much as the memory of its job: make room, or name another --store",
                   "only %s are free in %s", text, where);
    else
        doctor_say(d, DOCTOR_OK, BV_OK, "space", NULL, "%s free", text);
    if (fs.f_type == TMPFS_MAGIC)
        doctor_say(d, DOCTOR_WARN, BV_OK, "space", "name a --store on a disk or on a shared file system",
                   "%s is in memory: checkpoints do not survive the host", where);
}

/* What would keep every job of the host from being started, whatever its options. */
static int check_settings(struct doctor *d)
{
    struct bv_error err = {0};
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    if (bv_settings_load(&s, NULL, &err) < 0)
        return doctor_say(d, DOCTOR_FAIL, err.code, "settings", "correct it as bivouac.conf(5) says", "%s", err.text);
    size_t from_site = 0, from_user = 0;
    for (size_t i = 0; i < BV_SETTINGS_MAX; i++) {
        from_site += s.source[i].layer == BV_LAYER_SITE;
        from_user += s.source[i].layer > BV_LAYER_SITE;
    }
    return doctor_say(d, DOCTOR_OK, BV_OK, "settings", NULL, "%zu set by the site, %zu by the user", from_site,
                      from_user);
}

static int check_store(struct doctor *d)
{
    struct bv_error err = {0};
    autofree char *path = NULL;
    int reflink = 0;
    if (cmd_store_path(d->store, &path, &err) < 0)
        return doctor_say(d, DOCTOR_FAIL, err.code, "store", "name one with --store", "%s", err.text);

    struct stat st;
    int exists = stat(path, &st) == 0;
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    if (exists && bv_store_open(path, 0, &store, &err) < 0)
        return doctor_say(d, DOCTOR_FAIL, BV_ESTORE, "store", "name another with --store", "%s", err.text);

    autofree char *where = existing_parent(path);
    if (try_in(where, &reflink, &err) < 0)
        return doctor_say(d, DOCTOR_FAIL, BV_ESTORE, "store",
                          "name one with --store or BIVOUAC_STORE, in a directory that you may write to", "%s",
                          err.text);
    doctor_say(d, DOCTOR_OK, BV_OK, "store", NULL, "%s%s; files can be synced, linked and renamed; reflinks: %s", path,
               exists ? "" : " (will be created)", reflink ? "yes" : "no");
    check_space(d, where);
    return 0;
}

static int check_runtime(struct doctor *d)
{
    struct bv_error err = {0};
    autofree char *path = NULL;
    char sock[108];
    if (bv_runtime_dir(&path, &err) < 0 || bv_runtime_socket("doctor", "doctor", 0, sock, &err) < 0)
        return doctor_say(d, DOCTOR_FAIL, BV_EHOST, "runtime",
                          "set BIVOUAC_RUNTIME_DIR to a short path of a directory of yours (mode 0700)", "%s",
                          err.text);
    return doctor_say(d, DOCTOR_OK, BV_OK, "runtime", NULL, "%s", path);
}

int doctor_store(struct doctor *d)
{
    int settings = check_settings(d), store = check_store(d), runtime = check_runtime(d);
    return settings | store | runtime;
}
