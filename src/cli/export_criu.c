/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/export_criu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "base/name.h"
#include "job/capture.h"

#define IMAGES "images/"
#define FILES  BV_CAPTURE_FILES "/"

struct target {
    const char *path;
    int dirfd;
    int is_made; /* by us: to be removed again */
    size_t count;
};

/* Where a stream goes, below the directory; NULL for one that no checkpoint of ours has. An image cannot take the name
 * of what lies beside the images. */
static const char *place_of(const char *stream)
{
    const char *slash = strchr(stream, '/');
    if (!slash)
        return strcmp(stream, BV_CAPTURE_JSON) == 0 ? stream : NULL;
    if (!bv_is_component(slash + 1))
        return NULL;
    if (strncmp(stream, FILES, strlen(FILES)) == 0)
        return stream;
    if (strncmp(stream, IMAGES, strlen(IMAGES)) != 0 || strcmp(slash + 1, BV_CAPTURE_FILES) == 0 ||
        strcmp(slash + 1, BV_CAPTURE_JSON) == 0)
        return NULL;
    return slash + 1;
}

static int check_streams(const struct bv_gen *g, struct bv_error *err)
{
    for (size_t i = 0; i < bv_gen_stream_count(g); i++)
        if (!place_of(bv_gen_stream(g, i).name))
            return bv_fail(err, BV_ECORRUPT, 0, "the generation has an unknown stream");
    return 0;
}

/* 1 = empty, 0 = not, -1 with errno. */
static int is_empty(int dirfd)
{
    autoclosedir DIR *dir = bv_list_open(dirfd);
    if (!dir)
        return -1;
    if (bv_list_next(dir))
        return 0;
    return errno ? -1 : 1;
}

/* The images hold the memory of the job: nobody else may look into the directory. */
static int open_target(struct target *t, struct bv_error *err)
{
    t->is_made = mkdir(t->path, 0700) == 0;
    if (!t->is_made && errno != EEXIST)
        return bv_fail(err, errno == ENOENT || errno == ENOTDIR ? BV_EUSAGE : BV_EDENIED, errno, "cannot create %s",
                       t->path);
    t->dirfd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->dirfd < 0)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : BV_EUSAGE, errno, "cannot open %s", t->path);
    int empty = is_empty(t->dirfd);
    if (empty < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot list %s", t->path);
    if (!empty) {
        close_fd(&t->dirfd); /* what is in it is not ours to remove */
        return bv_fail(err, BV_EUSAGE, 0, "%s is not empty", t->path);
    }
    if (fchmod(t->dirfd, 0700) < 0)
        return bv_fail(err, BV_EDENIED, errno, "cannot make %s private", t->path);
    return 0;
}

static int create_file(void *arg, const char *name, uint64_t size, const struct bv_ranges **cuts)
{
    struct target *t = arg;
    (void)size;
    (void)cuts;
    t->count++;
    return openat(t->dirfd, place_of(name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int fill(struct target *t, struct bv_gen *g, struct bv_error *err)
{
    if (mkdirat(t->dirfd, BV_CAPTURE_FILES, 0700) < 0)
        return bv_fail(err, bv_store_code(errno) == BV_ENOSPACE ? BV_ENOSPACE : BV_EDENIED, errno,
                       "cannot create a directory in %s", t->path);
    struct bv_gen_copy copy = {.open_target = create_file, .arg = t};
    if (bv_gen_copy_all(g, &copy, err) < 0)
        return bv_wrap(err, "%s", t->path);
    if (syncfs(t->dirfd) < 0)
        return bv_fail(err, bv_store_code(errno) == BV_ENOSPACE ? BV_ENOSPACE : BV_EINTERNAL, errno, "cannot sync %s",
                       t->path);
    return 0;
}

static void remove_all(struct target *t)
{
    int saved = errno;
    autoclosedir DIR *dir = t->dirfd < 0 ? NULL : bv_list_open(t->dirfd);
    for (const char *name; dir && (name = bv_list_next(dir));)
        bv_remove_tree(t->dirfd, name, NULL);
    if (t->is_made)
        rmdir(t->path);
    errno = saved;
}

int cmd_export_criu(struct bv_gen *g, const char *path, size_t *ret_count, struct bv_error *err)
{
    struct target t = {.path = path, .dirfd = -1};
    if (check_streams(g, err) < 0)
        return -1;
    int rc = open_target(&t, err);
    if (rc == 0)
        rc = fill(&t, g, err);
    if (rc < 0)
        remove_all(&t);
    close_fd(&t.dirfd);
    *ret_count = t.count;
    return rc;
}
