/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/condor/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "store/bundle.h"
#include "store/usage.h"

#define NEW_FILE BV_CONDOR_FILE ".new"
#define INCOMING BV_CONDOR_DIR "/incoming"

const char *const bv_condor_globs[] = {
    ".job.ad",   ".job.ad.tmp", ".machine.ad", ".machine.ad.tmp", ".update.ad", ".update.ad.tmp", ".chirp.config",
    ".condor_*", "_condor_*",   BV_CONDOR_DIR, BV_CONDOR_FILE,    NEW_FILE,     "bivouac-[0-9]*", NULL,
};

int bv_condor_is_own(const char *name)
{
    for (size_t i = 0; bv_condor_globs[i]; i++)
        if (fnmatch(bv_condor_globs[i], name, 0) == 0)
            return 1;
    return 0;
}

/* --- arriving --- */

static int parse_end(const json_t *head, struct bv_condor_arrival *ret, struct bv_error *err)
{
    const json_t *ended = json_object_get(head, "ended");
    const char *status;
    int64_t number;
    if (!ended)
        return 0;
    if (bv_json_str(ended, "status", &status, err) < 0 || bv_json_i64(ended, "number", &number, err) < 0)
        return -1;
    int exited = strcmp(status, "exited") == 0;
    if ((!exited && strcmp(status, "signaled") != 0) || number < !exited || number > (exited ? 255 : 64))
        return bv_fail(err, BV_ECORRUPT, 0, "how the job has ended makes no sense");
    ret->is_ended = 1;
    ret->end = (struct bv_outcome){exited ? BV_ENDED_EXIT : BV_ENDED_SIGNAL, (int)number};
    return 0;
}

static int take_apart(const struct bv_condor_job *j, int fd, struct bv_store *store, struct bv_condor_arrival *ret,
                      struct bv_error *err)
{
    autojson json_t *head = NULL;
    struct bv_bundle_read how = {.store = store, .files = j->sandbox_fd, .job = j->name.id};
    if (bv_bundle_read(fd, &how, &head, &ret->damage, err) < 0 || parse_end(head, ret, err) < 0)
        return -1;
    ret->is_job = !ret->is_ended;
    /* Of an end there is no older one to fall back to. */
    if (ret->is_ended && ret->damage.code)
        return bv_fail(err, BV_ECORRUPT, 0, "%s", ret->damage.text);
    return 0;
}

int bv_condor_arrive(const struct bv_condor_job *j, struct bv_store *store, struct bv_condor_arrival *ret,
                     struct bv_error *err)
{
    struct stat st;
    struct bv_condor_arrival a = {0};
    if (fstatat(j->sandbox_fd, BV_CONDOR_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size == 0) {
        *ret = a;
        return 0;
    }
    if ((mkdirat(j->sandbox_fd, BV_CONDOR_DIR, 0700) < 0 && errno != EEXIST) ||
        renameat(j->sandbox_fd, BV_CONDOR_FILE, j->sandbox_fd, INCOMING) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot move " BV_CONDOR_FILE " aside");
    autoclose int fd = openat(j->sandbox_fd, INCOMING, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot open " BV_CONDOR_FILE);
    int rc = take_apart(j, fd, store, &a, err);
    unlinkat(j->sandbox_fd, INCOMING, 0);
    if (rc < 0)
        return bv_wrap(err, "the checkpoint " BV_CONDOR_FILE " cannot be used");
    *ret = a;
    return 0;
}

/* --- leaving --- */

static int create_file(const struct bv_condor_job *j, struct bv_error *err)
{
    unlinkat(j->sandbox_fd, NEW_FILE, 0);
    int fd = openat(j->sandbox_fd, NEW_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? bv_fail(err, bv_store_code(errno), errno, "cannot create " BV_CONDOR_FILE) : fd;
}

static int put_in_place(const struct bv_condor_job *j, struct bv_error *err)
{
    if (renameat(j->sandbox_fd, NEW_FILE, j->sandbox_fd, BV_CONDOR_FILE) < 0 || fsync(j->sandbox_fd) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot put " BV_CONDOR_FILE " in its place");
    return 0;
}

/* `job` or the sandbox's files, or neither. */
static int write_file(const struct bv_condor_job *j, const json_t *head, const struct bv_job *job, int with_files,
                      struct bv_error *err)
{
    struct bv_bundle *b = NULL;
    autoclose int fd = create_file(j, err);
    if (fd < 0 || bv_bundle_create(fd, head, &b, err) < 0)
        return -1;
    int rc = job ? bv_bundle_add_job(b, job, err) : 0;
    if (rc == 0 && with_files)
        rc = bv_bundle_add_files(b, j->sandbox_fd, bv_condor_is_own, err);
    if (rc < 0)
        bv_bundle_end(b, 1, NULL);
    else
        rc = bv_bundle_end(b, 0, err);
    if (rc == 0)
        rc = put_in_place(j, err);
    if (rc < 0)
        unlinkat(j->sandbox_fd, NEW_FILE, 0);
    return rc;
}

int bv_condor_leave(const struct bv_condor_job *j, struct bv_store *store, struct bv_error *err)
{
    autojob struct bv_job job = {.dirfd = -1};
    autojson json_t *head = json_pack("{s:s}", "job", j->name.id);
    if (bv_job_open(store, j->name.id, &job, err) < 0 || write_file(j, head, &job, 0, err) < 0)
        return -1;
    bv_job_close(&job);
    bv_job_delete(store, j->name.id, NULL); /* it is only a shell now */
    return 0;
}

int bv_condor_leave_end(const struct bv_condor_job *j, struct bv_outcome end, int with_files, struct bv_error *err)
{
    autojson json_t *head = json_pack("{s:s, s:{s:s, s:i}}", "job", j->name.id, "ended", "status",
                                      end.how == BV_ENDED_EXIT ? "exited" : "signaled", "number", end.number);
    return write_file(j, head, NULL, with_files, err);
}

int bv_condor_leave_nothing(const struct bv_condor_job *j, struct bv_error *err)
{
    int fd = create_file(j, err);
    if (fd < 0)
        return -1;
    close(fd);
    return put_in_place(j, err);
}

/* --- the size of it --- */

uint64_t bv_condor_sandbox_bytes(const struct bv_condor_job *j)
{
    uint64_t bytes = 0;
    int fd = openat(j->sandbox_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        close_fd(&fd);
        return 0;
    }
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, BV_CONDOR_DIR) != 0 &&
            strncmp(e->d_name, BV_CONDOR_FILE, strlen(BV_CONDOR_FILE)) != 0)
            bytes += bv_usage_tree(dirfd(dir), e->d_name, NULL);
    closedir(dir);
    return bytes;
}
