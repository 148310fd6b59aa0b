/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/layout.h"

#define FORMAT_MAX 4096

int bv_store_default_path(char **ret, struct bv_error *err)
{
    const char *named = getenv("BIVOUAC_STORE");
    if (named && *named) {
        *ret = bv_strdup(named);
        return 0;
    }
    const char *home = getenv("HOME");
    if (!home || home[0] != '/')
        return bv_fail(err, BV_ESTORE, 0, "no store is named, and neither BIVOUAC_STORE nor HOME is set");
    *ret = bv_asprintf("%s/.bivouac", home);
    return 0;
}

/* Sync the directory that holds `path`: a store that was just made must still be there after a power cut. */
static int sync_parent(const char *path)
{
    autofree char *copy = bv_strdup(path);
    char *slash = strrchr(copy, '/');
    if (!slash || slash == copy)
        return 0;
    *slash = '\0';
    autoclose int fd = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

/* An empty directory, or what a creation that was interrupted before its last step left. */
static int is_foreign(const char *name, void *arg)
{
    int *ret = arg;
    if (strcmp(name, "jobs") != 0 && strncmp(name, ".format.", strlen(".format.")) != 0)
        *ret = 1;
    return *ret;
}

/* Make a store of the directory. The format file comes last: with it the store exists. */
static int create_in(int dirfd, const char *path, struct bv_error *err)
{
    int foreign = 0;
    if (bv_dir_each(dirfd, is_foreign, &foreign, err) < 0)
        return -1;
    if (foreign)
        return bv_fail(err, BV_ESTORE, 0, "%s is not empty and no store of Bivouac", path);
    if (mkdirat(dirfd, "jobs", 0700) < 0 && errno != EEXIST)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create %s/jobs", path);

    struct bv_error why = {0};
    if (bv_publish(dirfd, "format", BV_STORE_FORMAT, strlen(BV_STORE_FORMAT), 0, &why) < 0 && why.code != BV_EBUSY) {
        if (err)
            *err = why;
        return bv_wrap(err, "%s", path);
    }
    return 0;
}

static int check_format(int dirfd, const char *path, int create, struct bv_error *err)
{
    autofree char *format = NULL;
    size_t size = 0;
    struct bv_error why = {0};
    int rc = bv_read_file(dirfd, "format", FORMAT_MAX, &format, &size, &why);
    if (rc < 0 && why.code == BV_ENOJOB) {
        if (!create)
            return bv_fail(err, BV_ESTORE, 0, "%s is no store of Bivouac (it has no file 'format')", path);
        return create_in(dirfd, path, err);
    }
    if (rc < 0)
        return bv_fail(err, why.code == BV_EDENIED ? BV_EDENIED : BV_ESTORE, 0, "%s: %s", path, why.text);
    if (size == strlen(BV_STORE_FORMAT) && memcmp(format, BV_STORE_FORMAT, size) == 0)
        return 0;
    if (strncmp(format, "bivouac-store ", strlen("bivouac-store ")) == 0)
        return bv_fail(err, BV_ESTORE, 0, "%s is a store of another format than the one this version knows (1)", path);
    return bv_fail(err, BV_ESTORE, 0, "%s is no store of Bivouac (its file 'format' says something else)", path);
}

int bv_store_open(const char *path, int create, struct bv_store *ret, struct bv_error *err)
{
    int made = create && mkdir(path, 0700) == 0;
    if (create && !made && errno != EEXIST)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : bv_store_code(errno), errno, "cannot create the store %s",
                       path);

    autofree char *real = realpath(path, NULL);
    autoclose int fd = real ? open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : BV_ESTORE, errno, "cannot open the store %s", path);
    if (bv_dir_trusted(fd, 1, real, err) < 0 || check_format(fd, real, create, err) < 0)
        return -1;
    if (made && sync_parent(real) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot sync the directory that holds %s", real);

    autoclose int jobs = bv_dir_open(fd, "jobs");
    if (jobs < 0)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : BV_ESTORE, errno, "cannot open %s/jobs", real);
    if (bv_dir_trusted(jobs, 1, "the directory 'jobs' of the store", err) < 0)
        return -1;

    ret->dirfd = steal_fd(&fd);
    ret->jobsfd = steal_fd(&jobs);
    ret->path = steal_ptr(&real);
    return 0;
}

void bv_store_close(struct bv_store *s)
{
    if (!s->path)
        return;
    close_fd(&s->dirfd);
    close_fd(&s->jobsfd);
    free(s->path);
    s->path = NULL;
}
