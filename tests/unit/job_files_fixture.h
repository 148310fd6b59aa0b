/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tmpdir.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "job/capture.h"

/* A job that has files open, stopped; a store with a staging directory beside it. The tests' directory has
 *     work/                       the job's files
 *     store/jobs/j/.staging-1/    where a capture goes
 *     store/jobs/j/kept/1/        what a roll-back keeps aside */

struct files_fixture {
    struct tmpdir *dir;
    int work, staging, kept;
    struct bv_spec spec;
    pid_t job;
    json_t *captured; /* capture.json */
};

/* The group's own /dev/shm, so that nothing of the host is captured. */
static inline int private_shm(void **state)
{
    (void)state;
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return -1;
    snprintf(map, sizeof(map), "%u %u 1", (unsigned)uid, (unsigned)uid);
    put_text(AT_FDCWD, "/proc/self/uid_map", map);
    put_text(AT_FDCWD, "/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "%u %u 1", (unsigned)gid, (unsigned)gid);
    put_text(AT_FDCWD, "/proc/self/gid_map", map);
    return mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
}

static inline int make_dir(int dirfd, const char *path)
{
    assert_int_equal(mkdirat(dirfd, path, 0700), 0);
    return openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static inline int files_setup(void **state)
{
    void *dir = NULL;
    if (tmpdir_setup(&dir) < 0)
        return -1;
    struct files_fixture *f = bv_alloc(sizeof(*f));
    f->dir = dir;
    f->work = make_dir(f->dir->fd, "data");
    if (mkdirat(f->dir->fd, "store", 0700) < 0 || mkdirat(f->dir->fd, "store/jobs", 0700) < 0 ||
        mkdirat(f->dir->fd, "store/jobs/j", 0700) < 0 || mkdirat(f->dir->fd, "store/jobs/j/kept", 0700) < 0)
        return -1;
    f->staging = make_dir(f->dir->fd, "store/jobs/j/.staging-1");
    f->kept = make_dir(f->dir->fd, "store/jobs/j/kept/1");
    f->spec.capture_limit = 256ULL << 20;
    *state = f;
    return 0;
}

static inline void end_job(struct files_fixture *f)
{
    if (f->job > 0) {
        kill(f->job, SIGKILL);
        waitpid(f->job, NULL, 0);
    }
    f->job = 0;
}

static inline int files_teardown(void **state)
{
    struct files_fixture *f = *state;
    end_job(f);
    close_fd(&f->work);
    close_fd(&f->staging);
    close_fd(&f->kept);
    json_decref(f->captured);
    void *dir = f->dir;
    free(f);
    return tmpdir_teardown(&dir);
}

#define files_test(function) cmocka_unit_test_setup_teardown(function, files_setup, files_teardown)

/* A file that the job has open. */
struct opened {
    const char *name;
    int flags;
    off_t pos;  /* -1 = its end */
    int mapped; /* shared and writable; the descriptor is closed */
    int deleted;
};

static inline int open_one(int work, const struct opened *o)
{
    int fd = openat(work, o->name, o->flags | O_CLOEXEC);
    if (fd < 0 || lseek(fd, o->pos < 0 ? 0 : o->pos, o->pos < 0 ? SEEK_END : SEEK_SET) < 0)
        return -1;
    if (o->mapped) {
        if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
            return -1;
        close(fd);
    }
    return o->deleted ? unlinkat(work, o->name, 0) : 0;
}

/* The job, with these files open, stopped. */
static inline void start_job(struct files_fixture *f, const struct opened *list, size_t count)
{
    pid_t parent = getpid();
    f->job = fork();
    if (f->job == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        for (size_t i = 0; i < count; i++)
            if (open_one(f->work, &list[i]) < 0)
                _exit(2);
        raise(SIGSTOP);
        _exit(3);
    }
    int status;
    assert_int_equal(waitpid(f->job, &status, WUNTRACED), f->job);
    assert_true(WIFSTOPPED(status));
}

/* Capture the job's files; returns the warnings. */
static inline json_t *capture(struct files_fixture *f)
{
    struct bv_capture *c = NULL;
    autofree char *text = NULL;
    assert_ok(bv_capture_take(&f->spec, f->job, 0, f->staging, &c, &err));
    json_t *warnings = json_deep_copy(bv_capture_warnings(c));
    assert_ok(bv_capture_finish(c, &err));
    assert_ok(bv_read_file(f->staging, BV_CAPTURE_JSON, 1 << 24, &text, NULL, &err));
    assert_ok(bv_json_parse(text, strlen(text), &f->captured, &err));
    return warnings;
}

/* Have a job with these files open, capture them, and end it. */
static inline void capture_job(struct files_fixture *f, const struct opened *list, size_t count)
{
    start_job(f, list, count);
    json_decref(capture(f));
    end_job(f);
}
#define capture_opened(f, ...)                                                                                         \
    capture_job(f, (const struct opened[]){__VA_ARGS__},                                                               \
                sizeof((const struct opened[]){__VA_ARGS__}) / sizeof(struct opened))

/* The entry of work/`name` in `list`, or NULL. */
static inline const json_t *entry_called(const json_t *list, const char *path)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *is = json_string_value(json_object_get(json_array_get(list, i), "path"));
        if (is && strcmp(is, path) == 0)
            return json_array_get(list, i);
    }
    return NULL;
}

static inline const json_t *file_entry(const struct files_fixture *f, const char *name)
{
    autofree char *path = bv_asprintf("%s/data/%s", f->dir->path, name);
    return entry_called(json_object_get(f->captured, "files"), path);
}
