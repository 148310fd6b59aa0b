/* SPDX-License-Identifier: Apache-2.0 */
/* Podman as root, with runc. The container is created and started by two verbs, so that it has an identity before
 * anything can go wrong; its monitor, conmon, becomes a child of the capsule's init and ends as the container does. A
 * checkpoint is podman's own archive, from which the container comes back with its identity and its root file system.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/words.h"
#include "engine/runtime/runtime.h"
#include "proc/pidfile.h"

#define ID_FILE  "id"         /* in the directory of the job */
#define ARCHIVE  "podman.tar" /* both in the images */
#define ID_IMAGE "podman.json"
#define ID_TEXT  65

struct podman {
    const struct bv_engine_container *c;
    struct runtime_command command;
};

static int parse(const struct bv_engine_container *c, struct podman *ret, struct bv_error *err)
{
    *ret = (struct podman){.c = c};
    return podman_parse(c->argv, &ret->command, err);
}

/* PODMAN [--conmon CONMON] [GLOBAL OPTION]… MORE… */
static void begin(const struct podman *p, struct bv_words *w, const char *conmon, const char *const *more)
{
    const char *const *argv = (const char *const *)p->c->argv;
    bv_words_add(w, argv[0]);
    if (conmon)
        bv_words_add_list(w, (const char *[]){"--conmon", conmon, NULL});
    bv_words_add_first(w, argv + 1, p->command.verb - 1);
    bv_words_add_list(w, more);
}

/* What a verb says, without warnings: one line. */
static int ask(const struct podman *p, const char *const *more, char *ret, size_t room, struct bv_error *err)
{
    char said[4096] = "";
    int status;
    autowords struct bv_words w = {0};
    begin(p, &w, NULL, more);
    struct runtime_run r = {.argv = bv_words_argv(&w),
                            .cwd = "/",
                            .timeout = RUNTIME_VERB_TIMEOUT,
                            .said = said,
                            .said_room = sizeof(said)};
    if (runtime_run(&r, &status, err) < 0)
        return -1;
    const char *last = strrchr(said, '\n');
    snprintf(ret, room, "%s", last ? last + 1 : said);
    return status == 0 ? 0 : bv_fail(err, BV_EENGINE, 0, "podman %s: %.1000s", more[0], ret);
}

static int copy_id(const char *text, char ret[ID_TEXT], struct bv_error *err)
{
    if (!text || strlen(text) != ID_TEXT - 1 || strspn(text, "0123456789abcdef") != ID_TEXT - 1)
        return bv_fail(err, BV_ECORRUPT, 0, "the container's id is not valid");
    memcpy(ret, text, ID_TEXT);
    return 0;
}

/* As podman or we have left it in the job's directory. */
static int read_own_id(const struct bv_engine_container *c, char ret[ID_TEXT], struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size = 0;
    autoclose int dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || bv_read_file(dir, ID_FILE, 256, &text, &size, NULL) < 0)
        return bv_fail(err, BV_EENGINE, 0, "podman does not tell the id of the container");
    text[strcspn(text, "\n")] = '\0';
    return copy_id(text, ret, err);
}

static int write_image(int images_fd, const char *id, struct bv_error *err)
{
    autojson json_t *image = json_pack("{s:s}", "id", id);
    autofree char *text = image ? json_dumps(image, 0) : NULL;
    if (!text)
        return bv_fail(err, BV_EINTERNAL, 0, "cannot write down the container's id");
    return bv_publish(images_fd, ID_IMAGE, text, strlen(text), 0, err);
}

static int read_image(int images_fd, char ret[ID_TEXT], struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size = 0;
    if (bv_read_file(images_fd, ID_IMAGE, 4096, &text, &size, err) < 0)
        return -1;
    autojson json_t *image = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    return copy_id(json_string_value(json_object_get(image, "id")), ret, err);
}

/* --- what can be run --- */

static int probe(struct bv_engine_info *ret, struct bv_error *err)
{
    return runtime_probe("podman", ret, err);
}

static int refuse_remote(struct bv_error *err)
{
    return bv_fail(err, BV_EUSAGE, 0,
                   "podman speaks to another service, whose containers cannot be checkpointed from here: unset "
                   "CONTAINER_HOST and CONTAINER_CONNECTION, or run Bivouac there");
}

static int check(const struct bv_engine_container *c, struct bv_error *err)
{
    struct podman p;
    char said[512] = "", is_remote[16] = "", runtime[128] = "";
    if (parse(c, &p, err) < 0 || runtime_check_host(err) < 0)
        return -1;
    if (getenv("CONTAINER_HOST") || getenv("CONTAINER_CONNECTION"))
        return refuse_remote(err);
    if (ask(&p, (const char *[]){"info", "--format", "{{.Host.ServiceIsRemote}} {{.Host.OCIRuntime.Name}}", NULL}, said,
            sizeof(said), err) < 0)
        return bv_fail(err, BV_EHOST, 0, "podman does not work here: %s", said);
    if (sscanf(said, "%15s %127s", is_remote, runtime) != 2 || strcmp(is_remote, "false") != 0)
        return refuse_remote(err);
    if (strcmp(runtime, "runc") != 0)
        return bv_fail(err, BV_EUSAGE, 0,
                       "podman would use %s here, with which it does not restore reliably: write podman --runtime runc "
                       "run ...",
                       runtime);
    return 0;
}

/* --- its life --- */

/* The real monitor is podman's to find. */
static int stand_in(const struct podman *p, char **ret, struct bv_error *err)
{
    char real[1024];
    if (ask(p, (const char *[]){"info", "--format", "{{.Host.Conmon.Path}}", NULL}, real, sizeof(real), err) < 0)
        return -1;
    return podman_conmon_prepare(p->c->dir, real, ret, err);
}

/* It may have ended already. Then its monitor, which has its exit status, stands for it. */
static int note_pid(const struct podman *p, const char *id, struct bv_error *err)
{
    char said[256];
    pid_t monitor = bv_pid_file_read(p->c->dir, BV_CONTAINER_WAIT);
    if (monitor <= 0)
        return bv_fail(err, BV_EENGINE, 0, "the monitor of the container was not found");
    int rc = ask(p, (const char *[]){"container", "inspect", "--format", "{{.State.Pid}}", id, NULL}, said,
                 sizeof(said), err);
    long root = rc < 0 ? 0 : strtol(said, NULL, 10);
    if (rc < 0)
        return -1;
    if (root <= 1 || root > INT32_MAX || kill((pid_t)root, 0) < 0)
        root = monitor;
    return bv_pid_file_write(p->c->dir, BV_CONTAINER_PID, (pid_t)root, err);
}

static int create(const struct podman *p, const char *file, struct bv_error *err)
{
    const char *const *argv = (const char *const *)p->c->argv;
    size_t behind = p->command.verb + 1;
    autowords struct bv_words w = {0};
    begin(p, &w, NULL, (const char *[]){"create", NULL});
    bv_words_add_first(&w, argv + behind, p->command.end - behind);
    bv_words_add_list(&w, (const char *[]){"--rm=false", "--log-driver=passthrough", "--cidfile", file, NULL});
    bv_words_add_list(&w, argv + p->command.end);
    return runtime_call(bv_words_argv(&w), p->c->cwd, 0, "create", BV_ENOEXEC, err);
}

static int start(const struct bv_engine_container *c, struct bv_error *err)
{
    struct podman p;
    char id[ID_TEXT];
    autofree char *file = bv_asprintf("%s/" ID_FILE, c->dir);
    autofree char *conmon = NULL;
    if (parse(c, &p, err) < 0 || stand_in(&p, &conmon, err) < 0 || create(&p, file, err) < 0 ||
        read_own_id(c, id, err) < 0)
        return -1;
    autowords struct bv_words w = {0};
    begin(&p, &w, conmon, (const char *[]){"start", id, NULL});
    return runtime_call(bv_words_argv(&w), c->cwd, 0, "start", BV_ENOEXEC, err) < 0 ? -1 : note_pid(&p, id, err);
}

/* Another one of that name is not ours to touch: ours has left its id. */
static int remove_it(const struct bv_engine_container *c, struct bv_error *err)
{
    struct podman p;
    char id[ID_TEXT];
    autofree char *file = bv_asprintf("%s/" ID_FILE, c->dir);
    autofree char *pid_file = bv_asprintf("%s/" BV_CONTAINER_PID, c->dir);
    if (access(file, F_OK) == 0 && read_own_id(c, id, NULL) == 0) {
        if (parse(c, &p, err) < 0)
            return -1;
        autowords struct bv_words w = {0};
        begin(&p, &w, NULL, (const char *[]){"rm", "--force", "--ignore", "--time", "0", id, NULL});
        if (runtime_call(bv_words_argv(&w), "/", RUNTIME_VERB_TIMEOUT, "remove", BV_EENGINE, err) < 0)
            return -1;
    }
    unlink(file);
    unlink(pid_file);
    podman_conmon_remove(c->dir);
    return 0;
}

/* --- checkpoint and restart --- */

static int name_archive(int images_fd, char **ret, struct bv_error *err)
{
    autofree char *images = NULL;
    if (runtime_name_directory(images_fd, &images, err) < 0)
        return -1;
    *ret = bv_asprintf("%s/" ARCHIVE, images);
    return 0;
}

struct podman_dump {
    struct podman podman;
    char id[ID_TEXT];
    char bundle[4096]; /* podman's directory of the container */
};

/* Podman leaves the images beside its archive, and CRIU does not replace each: locks that are no longer held would come
 * back with the next archive. */
static int remove_leftovers(const struct podman_dump *how, struct bv_error *err)
{
    autoclose int bundle = open(how->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return bundle < 0 ? bv_fail(err, BV_EENGINE, errno, "cannot open %s", how->bundle)
                      : bv_remove_tree(bundle, "checkpoint", err);
}

static int find_bundle(struct podman_dump *how, struct bv_error *err)
{
    if (ask(&how->podman, (const char *[]){"container", "inspect", "--format", "{{.OCIConfigPath}}", how->id, NULL},
            how->bundle, sizeof(how->bundle), err) < 0)
        return -1;
    char *slash = strrchr(how->bundle, '/');
    if (!slash)
        return bv_fail(err, BV_EENGINE, 0, "podman does not tell where the container lies");
    *slash = '\0';
    return 0;
}

/* Volumes are directories of the host, and captured as such. */
static int dump_frozen(struct bv_engine_dump *d, const void *arg, struct bv_error *err)
{
    const struct podman_dump *how = arg;
    autofree char *archive = NULL;
    if (name_archive(d->images_fd, &archive, err) < 0 || write_image(d->images_fd, how->id, err) < 0)
        return -1;
    const char *const verb[] = {"container",
                                "checkpoint",
                                "--leave-running",
                                "--file-locks",
                                "--ignore-volumes",
                                "--compress",
                                "none",
                                "--export",
                                archive,
                                how->id,
                                runtime_is_alone_in_network(d->root) ? "--tcp-established" : NULL,
                                NULL};
    autowords struct bv_words w = {0};
    begin(&how->podman, &w, NULL, verb);
    if (runtime_call(bv_words_argv(&w), "/", 0, "checkpoint", BV_EENGINE, err) < 0)
        return runtime_explain(how->bundle, "dump.log", BV_EENGINE, "dump", err);
    return remove_leftovers(how, err);
}

static int dump(struct bv_engine_dump *d, struct bv_error *err)
{
    struct podman_dump how;
    if (parse(d->container, &how.podman, err) < 0)
        return -1;
    /* The monitor's control group has those of all containers in it, and is not to be frozen. */
    if (d->root == bv_pid_file_read(d->container->dir, BV_CONTAINER_WAIT))
        return bv_fail(err, BV_EENDED, 0, "the container has ended");
    if (read_own_id(d->container, how.id, err) < 0 || find_bundle(&how, err) < 0 || remove_leftovers(&how, err) < 0)
        return -1;
    return runtime_dump(d, dump_frozen, &how, err);
}

/* From here on it is ours to remove. That is for podman to say: its status is 1 for no container, else it does not
 * know.
 */
static int own(const struct podman *p, const char *id, struct bv_error *err)
{
    char said[1024] = "";
    int status;
    autowords struct bv_words w = {0};
    begin(p, &w, NULL, (const char *[]){"container", "exists", id, NULL});
    struct runtime_run r = {.argv = bv_words_argv(&w),
                            .cwd = "/",
                            .timeout = RUNTIME_VERB_TIMEOUT,
                            .said = said,
                            .said_room = sizeof(said)};
    autoclose int dir = open(p->c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (runtime_run(&r, &status, err) < 0)
        return -1;
    if (status == 0)
        return bv_fail(err, BV_ERESTORE, 0, "the container %.12s exists already: podman rm it, or wait for its end",
                       id);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
        return bv_fail(err, BV_ERESTORE, 0, "podman does not tell whether the container %.12s exists: %s", id, said);
    return dir < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot open %s", p->c->dir)
                   : bv_publish(dir, ID_FILE, id, strlen(id), 1, err);
}

static int restore(const struct bv_engine_restore *r, struct bv_error *err)
{
    struct podman p;
    char id[ID_TEXT];
    autofree char *archive = NULL, *conmon = NULL;
    if (parse(r->container, &p, err) < 0 || read_image(r->images_fd, id, err) < 0 ||
        name_archive(r->images_fd, &archive, err) < 0 || stand_in(&p, &conmon, err) < 0 || own(&p, id, err) < 0)
        return -1;
    autowords struct bv_words w = {0};
    begin(&p, &w, conmon,
          (const char *[]){"container", "restore", "--file-locks", "--tcp-established", "--ignore-volumes", "--import",
                           archive, NULL});
    return runtime_call(bv_words_argv(&w), "/", 0, "restore", BV_ERESTORE, err) < 0 ? -1 : note_pid(&p, id, err);
}

const struct bv_engine bv_engine_podman = {
    .struct_size = sizeof(struct bv_engine),
    .api = BV_ENGINE_API,
    .name = "podman",
    .capabilities = BV_ENGINE_LEAVE_RUNNING | BV_ENGINE_FROZEN_HOOK | BV_ENGINE_TCP | BV_ENGINE_CONTAINER |
                    BV_ENGINE_ROOTFS | BV_ENGINE_SHELL_STATUS,
    .probe = probe,
    .dump = dump,
    .restore = restore,
    .check = check,
    .start = start,
    .thaw = runtime_thaw_noted,
    .remove = remove_it,
};
