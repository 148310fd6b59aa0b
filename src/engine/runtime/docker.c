/* SPDX-License-Identifier: Apache-2.0 */
/* Containers of docker. dockerd starts them, and not we: the first process is nobody's child here, and what the
 * capsule's init waits for is the process that copies the output (docker_output.c). Each attempt gets a new container,
 * into which the checkpoint and the upper directory of its file system are put before it is started: so nothing of it
 * must stay with dockerd between two attempts. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/treecopy.h"
#include "engine/criu/criu.h"
#include "engine/runtime/docker.h"
#include "proc/pidfile.h"

#define ID_FILE     "container"
#define CRIU_FILE   "criu.conf"
#define ROOTFS_FILE "rootfs.tar"
#define PAUSED_FILE "paused" /* it is us who have paused the container */
#define CHECKPOINT  "bivouac"
#define ID_MAX      128

#define THAW_TIMEOUT 5 /* s for each request; the supervisor waits for it, and has a lease to renew */

/* Of CRIU, which docker cannot be told. Without the first, a container that is restored under another id has its
 * processes in the old one's control group, where runc does not find them at the next checkpoint. */
#define CRIU_OPTIONS "manage-cgroups=ignore\ntcp-established\nfile-locks\n"

/* --- what can be run --- */

static int check_dockerd(const struct docker_command *d, struct bv_error *err)
{
    autojson json_t *info = NULL, *version = NULL;
    if (dockerd_call(d->socket, "GET", "/info", NULL, RUNTIME_VERB_TIMEOUT, &info, err) < 0 ||
        dockerd_call(d->socket, "GET", "/version", NULL, RUNTIME_VERB_TIMEOUT, &version, err) < 0)
        return -1;
    const char *driver = json_string_value(json_object_get(info, "Driver"));
    const char *root = json_string_value(json_object_get(info, "DockerRootDir"));
    const char *api = json_string_value(json_object_get(version, "ApiVersion"));
    unsigned major = 0, minor = 0;
    if (!api || sscanf(api, "%u.%u", &major, &minor) != 2 || major < 1 || (major == 1 && minor < 43))
        return bv_fail(err, BV_ENOENGINE, 0, "this dockerd is too old: Bivouac needs docker 24 or newer");
    if (!json_is_true(json_object_get(info, "ExperimentalBuild")))
        return bv_fail(err, BV_EHOST, 0,
                       "dockerd makes checkpoints only with its experimental features: put \"experimental\": true into "
                       "/etc/docker/daemon.json and restart it");
    if (!driver || strcmp(driver, "overlay2") != 0)
        return bv_fail(err, BV_EHOST, 0,
                       "dockerd has the storage driver %s, and what a container writes into its own file system can be "
                       "put back with overlay2 only",
                       driver ? driver : "?");
    if (!root || access(root, X_OK) < 0)
        return bv_fail(err, BV_EHOST, 0, "dockerd's directory %s is not here: run Bivouac where dockerd runs",
                       root ? root : "?");
    return 0;
}

static int check(const struct bv_engine_container *c, struct bv_error *err)
{
    autodocker struct docker_command d = {0};
    return docker_parse(c, &d, err) < 0 || runtime_check_host(err) < 0 ? -1 : check_dockerd(&d, err);
}

static int probe(struct bv_engine_info *ret, struct bv_error *err)
{
    struct bv_engine_info info = {.path = "dockerd"}, criu;
    if (criu_probe(&criu, err) < 0)
        return -1;
    snprintf(info.version, sizeof(info.version), "criu %.32s", criu.version);
    *ret = info;
    return 0;
}

/* --- requests for one container --- */

static int is_id(const char *id)
{
    return id && *id && strlen(id) < ID_MAX && id[strspn(id, "0123456789abcdef")] == '\0';
}

/* The container of this attempt, allocated; NULL if there is none. */
static char *own_id(const char *dir)
{
    autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autofree char *id = at < 0 ? NULL : bv_read_proc(at, ID_FILE, ID_MAX);
    return is_id(id) ? steal_ptr(&id) : NULL;
}

static int ask(const struct docker_command *d, const char *id, const char *verb, const json_t *body, double timeout,
               struct bv_error *err)
{
    autofree char *path = bv_asprintf("/containers/%s/%s", id, verb);
    return dockerd_call(d->socket, "POST", path, body, timeout, NULL, err);
}

static int inspect_within(const struct docker_command *d, const char *id, double timeout, json_t **ret,
                          struct bv_error *err)
{
    autofree char *path = bv_asprintf("/containers/%s/json", id);
    if (dockerd_call(d->socket, "GET", path, NULL, timeout, ret, err) < 0)
        return -1;
    return *ret ? 0 : bv_fail(err, BV_EPROTO, 0, "dockerd does not describe the container");
}

static int inspect(const struct docker_command *d, const char *id, json_t **ret, struct bv_error *err)
{
    return inspect_within(d, id, RUNTIME_VERB_TIMEOUT, ret, err);
}

static const char *upper_of(const json_t *container)
{
    const json_t *driver = json_object_get(container, "GraphDriver");
    return json_string_value(json_object_get(json_object_get(driver, "Data"), "UpperDir"));
}

/* --- its life --- */

static void forget(const char *dir)
{
    static const char *const names[] = {BV_CONTAINER_PID, BV_CONTAINER_WAIT, CRIU_FILE, PAUSED_FILE, ID_FILE};
    autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    docker_output_forget(dir);
    for (size_t i = 0; at >= 0 && i < sizeof(names) / sizeof(names[0]); i++)
        unlinkat(at, names[i], 0);
}

/* Another one of that name is not ours to touch: of ours we have the id. */
static int remove_it(const struct bv_engine_container *c, struct bv_error *err)
{
    struct bv_error why = {0};
    autodocker struct docker_command d = {0};
    autofree char *id = own_id(c->dir);
    if (id && docker_parse(c, &d, err) < 0)
        return -1;
    autofree char *path = id ? bv_asprintf("/containers/%s?force=1&v=1", id) : NULL;
    if (path && dockerd_call(d.socket, "DELETE", path, NULL, RUNTIME_VERB_TIMEOUT, NULL, &why) < 0 &&
        why.code != BV_ENOJOB)
        return bv_fail(err, why.code, 0, "docker could not remove the container: %s", why.text);
    forget(c->dir);
    return 0;
}

/* Make the container, not started, with the user's options and ours. */
static int create(const struct bv_engine_container *c, const struct docker_command *d, char **ret_id,
                  struct bv_error *err)
{
    autojson json_t *answer = NULL;
    autoclose int dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autofree char *criu = bv_asprintf("%s/" CRIU_FILE, c->dir);
    autofree char *path = bv_asprintf("/containers/create%s%s", d->name ? "?name=" : "", d->name ? d->name : "");
    json_t *host = json_object_get(d->create, "HostConfig");
    bv_json_set(host, "Annotations", json_pack("{s:s}", "org.criu.config", criu));
    bv_json_set(json_object_get(d->create, "Labels"), DOCKER_LABEL, json_string(c->dir));
    if (dir < 0 || bv_publish(dir, CRIU_FILE, CRIU_OPTIONS, strlen(CRIU_OPTIONS), 1, err) < 0)
        return bv_fail(err, BV_EINTERNAL, 0, "cannot write %s", criu);
    if (dockerd_call(d->socket, "POST", path, d->create, RUNTIME_VERB_TIMEOUT, &answer, err) < 0) {
        if (err)
            err->code = BV_ENOEXEC;
        return bv_wrap(err, "docker could not create the container");
    }
    const char *id = json_string_value(json_object_get(answer, "Id"));
    if (!is_id(id) || bv_publish(dir, ID_FILE, id, strlen(id), 1, NULL) < 0)
        return bv_fail(err, BV_ENOEXEC, 0, "dockerd does not tell the id of the container");
    *ret_id = bv_strdup(id);
    return 0;
}

/* What an image declares as a volume is a new one for each container. */
static int check_volumes(const json_t *container, const struct docker_command *d, struct bv_error *err)
{
    if (json_array_size(json_object_get(container, "Mounts")) <= d->volumes)
        return 0;
    return bv_fail(
        err, BV_ENOEXEC, 0,
        "the image has a volume of its own, which is a new one after a restart: name a directory for it with "
        "-v HOST-DIRECTORY:DIRECTORY");
}

/* Let it run, with its output copied, and note its pids. `verb`: "start", or that with the name of a checkpoint. */
static int run(const struct bv_engine_container *c, const struct docker_command *d, const char *id, const char *verb,
               struct bv_error *err)
{
    autojson json_t *container = NULL;
    autoclose int stream = dockerd_attach(d->socket, id, err);
    pid_t copier = stream < 0 ? -1 : docker_output_start(d->socket, id, stream, c->dir, err);
    if (copier < 0)
        return -1;
    if (ask(d, id, verb, NULL, 0, err) < 0 || inspect(d, id, &container, err) < 0) {
        kill(copier, SIGKILL);
        return -1;
    }
    /* One that has ended already has none. */
    json_int_t pid = json_integer_value(json_object_get(json_object_get(container, "State"), "Pid"));
    return bv_pid_file_write(c->dir, BV_CONTAINER_WAIT, copier, err) < 0
               ? -1
               : bv_pid_file_write(c->dir, BV_CONTAINER_PID, pid > 1 ? (pid_t)pid : copier, err);
}

static int start(const struct bv_engine_container *c, struct bv_error *err)
{
    autodocker struct docker_command d = {0};
    autojson json_t *container = NULL;
    autofree char *id = NULL;
    if (docker_parse(c, &d, err) < 0 || create(c, &d, &id, err) < 0)
        return -1;
    int rc = inspect(&d, id, &container, err);
    if (rc == 0)
        rc = check_volumes(container, &d, err);
    if (rc == 0 && (rc = run(c, &d, id, "start", err)) < 0)
        bv_wrap(err, "docker could not start the container");
    if (rc < 0 && err)
        err->code = BV_ENOEXEC;
    if (rc < 0)
        remove_it(c, NULL);
    return rc;
}

/* Who else has paused it is to let it run himself. The file is kept while that is not done. */
static int unpause(const struct docker_command *d, const char *id, const char *dir, double timeout,
                   struct bv_error *err)
{
    struct bv_error why = {0};
    autojson json_t *container = NULL;
    autofree char *file = bv_asprintf("%s/" PAUSED_FILE, dir);
    if (access(file, F_OK) < 0)
        return 0;
    int rc = inspect_within(d, id, timeout, &container, &why);
    if (rc == 0 && json_is_true(json_object_get(json_object_get(container, "State"), "Paused")))
        rc = ask(d, id, "unpause", NULL, timeout, &why);
    if (rc < 0 && why.code != BV_ENOJOB)
        return bv_fail(err, why.code, 0, "docker could not let the container run on: %s", why.text);
    unlink(file);
    return 0;
}

static int pause_it(const struct docker_command *d, const char *id, const char *dir, struct bv_error *err)
{
    struct bv_error why = {0};
    autofree char *file = bv_asprintf("%s/" PAUSED_FILE, dir);
    /* A pause of an earlier checkpoint is ours: dockerd would refuse another one, and it would be nobody's. */
    if (unpause(d, id, dir, RUNTIME_VERB_TIMEOUT, err) < 0)
        return -1;
    autoclose int made = open(file, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (made < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create %s", file);
    if (ask(d, id, "pause", NULL, RUNTIME_VERB_TIMEOUT, &why) == 0)
        return 0;
    if (why.code == BV_EENGINE) /* refused; else it may still come */
        unlink(file);
    return bv_fail(err, why.code, 0, "docker could not pause the container: %s", why.text);
}

static int thaw(const struct bv_engine_container *c, struct bv_error *err)
{
    autodocker struct docker_command d = {0};
    autofree char *id = own_id(c->dir);
    if (!id)
        return 0;
    return docker_parse(c, &d, err) < 0 ? -1 : unpause(&d, id, c->dir, THAW_TIMEOUT, err);
}

/* --- checkpoint and restart --- */

/* tar, for what a file system of layers has: owners by number, devices for what is gone, attributes. Those by which an
 * overlay knows files of another one again would be wrong in another. */
static int tar(const char *verb, const char *file, const char *dir, const char *what, enum bv_code code,
               struct bv_error *err)
{
    const char *const words[] = {"tar",
                                 "--sparse",
                                 "--numeric-owner",
                                 "--xattrs",
                                 "--xattrs-include=*",
                                 "--xattrs-exclude=trusted.overlay.origin",
                                 "--xattrs-exclude=trusted.overlay.uuid",
                                 "--xattrs-exclude=trusted.overlay.impure",
                                 "-p",
                                 "-C",
                                 dir,
                                 verb,
                                 file,
                                 ".",
                                 NULL};
    return runtime_call(words, "/", 0, what, code, err);
}

/* dockerd makes a directory of its own for the images. */
static int collect(const char *work, int images_fd, struct bv_error *err)
{
    autofree char *path = bv_asprintf("%s/" CHECKPOINT, work);
    autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclosedir DIR *made = fd < 0 ? NULL : bv_list_open(fd);
    if (!made)
        return bv_fail(err, BV_EENGINE, errno, "dockerd has made no checkpoint in %s", work);
    for (const char *name; (name = bv_list_next(made));)
        if (renameat(fd, name, images_fd, name) < 0)
            return bv_fail(err, bv_store_code(errno), errno, "cannot move %s/%s", path, name);
    return errno ? bv_fail(err, BV_ESTORE, errno, "cannot read all of the directory %s", path) : 0;
}

struct docker_dump {
    const struct docker_command *command;
    const char *id;
};

static int dump_frozen(struct bv_engine_dump *d, const void *arg, struct bv_error *err)
{
    const struct docker_dump *how = arg;
    autojson json_t *container = NULL;
    autofree char *images = NULL, *work = NULL;
    if (runtime_name_directories(d->images_fd, &images, &work, err) < 0)
        return -1;
    autofree char *layer = bv_asprintf("%s/" ROOTFS_FILE, images);
    autojson json_t *body = json_pack("{s:s, s:s, s:b}", "CheckpointID", CHECKPOINT, "CheckpointDir", work, "Exit", 0);
    if (!runtime_is_frozen(d->root))
        return bv_fail(err, BV_EENGINE, 0, "docker pause has not frozen the container");
    if (inspect(how->command, how->id, &container, err) < 0 || docker_output_flush(d->root, d->container->dir, err) < 0)
        return -1;
    const char *upper = upper_of(container);
    if (!upper)
        return bv_fail(err, BV_EENGINE, 0, "dockerd does not tell where the container's file system is");
    if (ask(how->command, how->id, "checkpoints", body, 0, err) < 0)
        return bv_wrap(err, "docker could not checkpoint the container");
    if (collect(work, d->images_fd, err) < 0)
        return -1;
    return tar("-cf", layer, upper, "save the file system of", BV_EENGINE, err);
}

/* A container that is paused stays so while docker checkpoints it. */
static int dump(struct bv_engine_dump *d, struct bv_error *err)
{
    autodocker struct docker_command c = {0};
    autofree char *id = own_id(d->container->dir);
    if (!id)
        return bv_fail(err, BV_EENGINE, 0, "there is no container");
    if (docker_parse(d->container, &c, err) < 0)
        return -1;
    if (pause_it(&c, id, d->container->dir, err) < 0)
        return -1;
    const struct docker_dump how = {.command = &c, .id = id};
    int64_t begun = bv_clock_ns(CLOCK_MONOTONIC);
    int rc = runtime_dump_held(d, dump_frozen, &how, err);
    if (unpause(&c, id, d->container->dir, RUNTIME_VERB_TIMEOUT, rc < 0 ? NULL : err) < 0 || rc < 0)
        return -1;
    d->frozen_ns = bv_clock_ns(CLOCK_MONOTONIC) - begun;
    return 0;
}

/* Put the checkpoint where dockerd looks for it. */
static int hand_over(int images_fd, const char *root, const char *id, struct bv_error *err)
{
    struct bv_tree_copied copied;
    const struct bv_tree_copy how = {0};
    autofree char *all = bv_asprintf("%s/containers/%s/checkpoints", root, id);
    autofree char *path = bv_asprintf("%s/" CHECKPOINT, all);
    if ((mkdir(all, 0700) < 0 && errno != EEXIST) || mkdir(path, 0700) < 0)
        return bv_fail(err, BV_ERESTORE, errno, "cannot create %s", path);
    autoclose int to = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return to < 0 ? bv_fail(err, BV_ERESTORE, errno, "cannot open %s", path)
                  : bv_tree_copy(images_fd, to, &how, &copied, err);
}

static int restore_into(const struct bv_engine_restore *r, const struct docker_command *d, const char *id,
                        struct bv_error *err)
{
    autojson json_t *container = NULL, *info = NULL;
    autofree char *images = NULL;
    if (runtime_name_directory(r->images_fd, &images, err) < 0 || inspect(d, id, &container, err) < 0 ||
        dockerd_call(d->socket, "GET", "/info", NULL, RUNTIME_VERB_TIMEOUT, &info, err) < 0)
        return -1;
    autofree char *layer = bv_asprintf("%s/" ROOTFS_FILE, images);
    const char *root = json_string_value(json_object_get(info, "DockerRootDir")), *upper = upper_of(container);
    if (!root || !upper)
        return bv_fail(err, BV_ERESTORE, 0, "dockerd does not tell where the container's file system is");
    if (tar("-xf", layer, upper, "put back the file system of", BV_ERESTORE, err) < 0)
        return -1;
    unlink(layer);
    if (hand_over(r->images_fd, root, id, err) < 0)
        return -1;
    if (run(r->container, d, id, "start?checkpoint=" CHECKPOINT, err) == 0)
        return 0;
    if (err)
        err->code = BV_ERESTORE;
    return bv_wrap(err, "docker could not restore the container");
}

static int restore(const struct bv_engine_restore *r, struct bv_error *err)
{
    autodocker struct docker_command d = {0};
    autofree char *id = NULL;
    if (docker_parse(r->container, &d, err) < 0)
        return -1;
    int rc = create(r->container, &d, &id, err) < 0 ? -1 : restore_into(r, &d, id, err);
    if (rc < 0)
        remove_it(r->container, NULL);
    return rc;
}

const struct bv_engine bv_engine_docker = {
    .struct_size = sizeof(struct bv_engine),
    .api = BV_ENGINE_API,
    .name = "docker",
    .capabilities = BV_ENGINE_LEAVE_RUNNING | BV_ENGINE_FROZEN_HOOK | BV_ENGINE_TCP | BV_ENGINE_CONTAINER |
                    BV_ENGINE_ROOTFS | BV_ENGINE_SHELL_STATUS,
    .probe = probe,
    .dump = dump,
    .restore = restore,
    .check = check,
    .start = start,
    .thaw = thaw,
    .remove = remove_it,
};
