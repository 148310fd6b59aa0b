/* SPDX-License-Identifier: Apache-2.0 */
/* What is the same for the verbs of all runtimes. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/criu/criu.h"
#include "engine/runtime/runtime.h"
#include "proc/pidfile.h"
#include "proc/tree.h"

int runtime_check_host(struct bv_error *err)
{
    if (geteuid() != 0)
        return bv_fail(err, BV_EDENIED, 0,
                       "only root can checkpoint a container from outside: run Bivouac inside the container instead");
    return runtime_check_cgroups(err);
}

int runtime_name_directory(int fd, char **ret, struct bv_error *err)
{
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path));
    if (n <= 0 || n == sizeof(path))
        return bv_fail(err, BV_ESTORE, n < 0 ? errno : ENAMETOOLONG, "cannot name the staging directory");
    *ret = bv_strndup(path, (size_t)n);
    return 0;
}

int runtime_name_directories(int images_fd, char **ret_images, char **ret_work, struct bv_error *err)
{
    autofree char *images = NULL;
    if (runtime_name_directory(images_fd, &images, err) < 0)
        return -1;
    autofree char *work = bv_asprintf("%s/../work", images);
    if (mkdir(work, 0700) < 0 && errno != EEXIST)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create the staging directory");
    *ret_images = steal_ptr(&images);
    *ret_work = steal_ptr(&work);
    return 0;
}

int runtime_probe(const char *name, struct bv_engine_info *ret, struct bv_error *err)
{
    char said[512] = "";
    int status;
    struct bv_engine_info info = {0}, criu;
    const char *const words[] = {name, "--version", NULL};
    struct runtime_run r = {
        .argv = words, .cwd = "/", .timeout = RUNTIME_VERB_TIMEOUT, .said = said, .said_room = sizeof(said)};
    if (runtime_run(&r, &status, err) < 0 || criu_probe(&criu, err) < 0)
        return -1;
    const char *v = strstr(said, " version ");
    if (status != 0 || !v)
        return bv_fail(err, BV_ENOENGINE, 0, "%s does not tell its version", name);
    snprintf(info.path, sizeof(info.path), "%s", name);
    snprintf(info.version, sizeof(info.version), "%.*s, criu %.24s", (int)(strcspn(v + 9, "\n") % 24), v + 9,
             criu.version);
    *ret = info;
    return 0;
}

int runtime_call(const char *const *words, const char *cwd, double timeout, const char *what, enum bv_code code,
                 struct bv_error *err)
{
    char said[1024] = "";
    int status;
    struct runtime_run r = {.argv = words, .cwd = cwd, .timeout = timeout, .said = said, .said_room = sizeof(said)};
    if (runtime_run(&r, &status, err) < 0)
        return -1;
    if (status == 0)
        return 0;
    for (char *p = said; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    return bv_fail(err, code, 0, "%s could not %s the container: %s", words[0], what, said);
}

int runtime_explain(const char *work, const char *log, enum bv_code code, const char *what, struct bv_error *err)
{
    char said[sizeof(err->text)];
    autoclose int dir = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!err || err->code != code || dir < 0)
        return -1;
    snprintf(said, sizeof(said), "%s", err->text);
    return criu_log_file_error(dir, log, code, what, said, err);
}

int runtime_is_alone_in_network(pid_t root)
{
    char name[32];
    struct stat ours, its;
    snprintf(name, sizeof(name), "/proc/%d/ns/net", (int)root);
    if (stat("/proc/self/ns/net", &ours) < 0 || stat(name, &its) < 0 || ours.st_ino == its.st_ino)
        return 0;
    snprintf(name, sizeof(name), "/proc/%d/net/dev", (int)root);
    autofree char *text = bv_read_proc(AT_FDCWD, name, 1 << 20);
    int count = 0;
    for (const char *p = text; p && (p = strchr(p, ':')); p++)
        count++;
    return count == 1;
}

/* SIGSTOP for every process of the tree. */
static void stop_all(pid_t root)
{
    autopids struct bv_pids pids = {0};
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd >= 0 && bv_tree_scan(procfd, root, &pids, NULL) == 0)
        for (size_t i = 0; i < pids.count; i++)
            kill(pids.pid[i], SIGSTOP);
}

int runtime_dump_held(struct bv_engine_dump *d, runtime_dump_frozen *how, const void *arg, struct bv_error *err)
{
    if (how(d, arg, err) < 0)
        return -1;
    if (!runtime_is_frozen(d->root))
        return bv_fail(err, BV_EENGINE, 0, "the container ran on before its files were captured");
    if (d->frozen && d->frozen(d->arg, err) < 0)
        return -1;
    if (d->leave == BV_LEAVE_STOPPED)
        stop_all(d->root);
    return 0;
}

int runtime_thaw_noted(const struct bv_engine_container *c, struct bv_error *err)
{
    pid_t root = bv_pid_file_read(c->dir, BV_CONTAINER_PID);
    return root > 0 ? runtime_thaw(root, err) : 0;
}

int runtime_dump(struct bv_engine_dump *d, runtime_dump_frozen *how, const void *arg, struct bv_error *err)
{
    if (runtime_freeze(d->root, err) < 0)
        return -1;
    int64_t begun = bv_clock_ns(CLOCK_MONOTONIC);
    if (runtime_dump_held(d, how, arg, err) < 0) {
        runtime_thaw(d->root, NULL);
        return -1;
    }
    d->frozen_ns = bv_clock_ns(CLOCK_MONOTONIC) - begun;
    return runtime_thaw(d->root, err);
}
