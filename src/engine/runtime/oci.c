/* SPDX-License-Identifier: Apache-2.0 */
/* runc and crun: two programs with one command line, of bundles that lie on the host. The container is started
 * detached, so that it has the job's standard files itself and not those of a runtime that copies, and becomes a child
 * of the capsule's init, which sees how it ends. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/words.h"
#include "engine/runtime/runtime.h"
#include "proc/host.h"
#include "proc/pidfile.h"

#define CONFIG_MAX (16u << 20)
#define STATE_MAX  (1u << 20) /* annotations are the user's */
#define OWNED_FILE "owned"    /* the boot during which a container of the job's name is ours */

static const char detached[] = "Bivouac waits for the container: leave this option out";
static const char pid_file[] = "Bivouac has such a file of its own: leave this option out";
static const char terminal[] = "a container with a terminal cannot be checkpointed: leave this option out";
static const char descriptors[] = "descriptors of the caller cannot be checkpointed: leave this option out";

static const struct runtime_option global_options[] = {
    {"--root", 0, 1, NULL},           {"--log", 0, 1, NULL},
    {"--log-format", 0, 1, NULL},     {"--log-level", 0, 1, NULL},
    {"--debug", 0, 0, NULL},          {"--systemd-cgroup", 0, 0, NULL},
    {"--cgroup-manager", 0, 1, NULL}, {0},
};

static const struct runtime_option run_options[] = {
    {"--bundle", 'b', 1, NULL},
    {"--no-pivot", 0, 0, NULL},
    {"--no-new-keyring", 0, 0, NULL},
    {"--detach", 'd', 0, detached},
    {"--pid-file", 0, 1, pid_file},
    {"--console-socket", 0, 1, terminal},
    {"--preserve-fds", 0, 1, descriptors},
    {"--no-subreaper", 0, 0, detached},
    {"--keep", 0, 0, "Bivouac removes the container when the job has ended: leave this option out"},
    {0},
};

struct oci {
    const struct bv_engine_container *c;
    struct runtime_command command;
    const char *bundle; /* NULL = not given */
    const char *id;
};

static int take(const struct runtime_option *o, const char *value, void *arg, struct bv_error *err)
{
    (void)err;
    if (strcmp(o->name, "--bundle") == 0)
        ((struct oci *)arg)->bundle = value;
    return 0;
}

static int parse(const struct bv_engine_container *c, struct oci *ret, struct bv_error *err)
{
    struct oci o = {.c = c};
    const struct runtime_syntax syntax = {
        .global = global_options, .own = run_options, .briefs_alone = 1, .take = take, .arg = &o};
    if (runtime_parse(c->argv, &syntax, &o.command, err) < 0)
        return -1;
    o.id = c->argv[o.command.end];
    if (c->argv[o.command.end + 1])
        return bv_fail(err, BV_EUSAGE, 0, "%s run takes one container, and '%s' is one word too many", c->argv[0],
                       c->argv[o.command.end + 1]);
    *ret = o;
    return 0;
}

/* RUNTIME [GLOBAL OPTION]… MORE… */
static void begin(const struct oci *o, struct bv_words *w, const char *const *more)
{
    bv_words_add_first(w, (const char *const *)o->c->argv, o->command.verb);
    bv_words_add_list(w, more);
}

/* Run a verb that says what it has to say to us. */
static int call(const struct oci *o, const struct bv_words *w, double timeout, const char *what, enum bv_code code,
                struct bv_error *err)
{
    return runtime_call(bv_words_argv(w), o->c->cwd, timeout, what, code, err);
}

/* Allocated. */
static char *bundle_of(const struct oci *o)
{
    const char *bundle = o->bundle ? o->bundle : ".";
    return bundle[0] == '/' ? bv_strdup(bundle) : bv_asprintf("%s/%s", o->c->cwd, bundle);
}

/* --- what can be run --- */

static int read_config(const struct oci *o, json_t **ret, struct bv_error *err)
{
    autofree char *path = bundle_of(o);
    autoclose int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autofree char *text = NULL;
    size_t size = 0;
    if (dir < 0 || bv_read_file(dir, "config.json", CONFIG_MAX, &text, &size, NULL) < 0)
        return bv_fail(err, BV_ENODIR, errno, "cannot read the bundle's %s/config.json", path);
    *ret = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    return *ret ? 0 : bv_fail(err, BV_EUSAGE, 0, "%s/config.json is not valid JSON", path);
}

static int check(const struct bv_engine_container *c, struct bv_error *err)
{
    struct oci o;
    autojson json_t *config = NULL;
    if (parse(c, &o, err) < 0 || runtime_check_host(err) < 0 || read_config(&o, &config, err) < 0)
        return -1;
    if (json_is_true(json_object_get(json_object_get(config, "process"), "terminal")))
        return bv_fail(err, BV_EUSAGE, 0,
                       "the container has a terminal, and cannot be checkpointed with it: set \"terminal\" to false in "
                       "its config.json");
    return 0;
}

static int probe_runc(struct bv_engine_info *ret, struct bv_error *err)
{
    return runtime_probe("runc", ret, err);
}

static int probe_crun(struct bv_engine_info *ret, struct bv_error *err)
{
    return runtime_probe("crun", ret, err);
}

/* --- whose it is --- */

/* What the runtime knows of a container of that name: 1, or 0 if there is none. */
static int ask_state(const struct oci *o, json_t **ret, struct bv_error *err)
{
    autowords struct bv_words w = {0};
    int status;
    autofree char *said = bv_alloc(STATE_MAX);
    begin(o, &w, (const char *[]){"state", o->id, NULL});
    struct runtime_run r = {.argv = bv_words_argv(&w),
                            .cwd = o->c->cwd,
                            .timeout = RUNTIME_VERB_TIMEOUT,
                            .said = said,
                            .said_room = STATE_MAX};
    if (runtime_run(&r, &status, err) < 0)
        return -1;
    if (status != 0)
        return 0;
    const char *text = strchr(said, '{'); /* behind warnings */
    *ret = text ? json_loads(text, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    return *ret ? 1 : bv_fail(err, BV_EENGINE, 0, "%s does not describe the container %s", o->c->argv[0], o->id);
}

/* From here on a container of that name is ours to remove, whatever becomes of us. A name that is in use never is. */
static int own(const struct oci *o, enum bv_code code, struct bv_error *err)
{
    struct bv_host host;
    autojson json_t *state = NULL;
    int is_there = ask_state(o, &state, err);
    if (is_there)
        return is_there < 0 ? -1
                            : bv_fail(err, code, 0, "%s has a container %s already: delete it, or wait for its end",
                                      o->c->argv[0], o->id);
    autoclose int dir = open(o->c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || bv_host_read(&host, err) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open %s", o->c->dir);
    return bv_publish(dir, OWNED_FILE, host.boot_id, strlen(host.boot_id), 1, err);
}

/* No container outlives a boot, but files may. */
static int is_owned(const struct bv_engine_container *c)
{
    struct bv_host host;
    autoclose int dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autofree char *boot = dir < 0 ? NULL : bv_read_proc(dir, OWNED_FILE, sizeof(host.boot_id));
    return boot && bv_host_read(&host, NULL) == 0 && strcmp(boot, host.boot_id) == 0;
}

/* Somebody may have taken the name when ours was gone. What was killed while it was started has told no pid. */
static int is_ours(const struct oci *o, const json_t *state)
{
    struct stat ours, its;
    autofree char *bundle = bundle_of(o);
    autofree char *file = bv_asprintf("%s/" BV_CONTAINER_PID, o->c->dir);
    json_int_t pid = json_integer_value(json_object_get(state, "pid"));
    if (pid > 0 && access(file, F_OK) == 0)
        return pid == bv_pid_file_read(o->c->dir, BV_CONTAINER_PID);
    const char *its_bundle = json_string_value(json_object_get(state, "bundle"));
    return its_bundle && stat(its_bundle, &its) == 0 && stat(bundle, &ours) == 0 && its.st_dev == ours.st_dev &&
           its.st_ino == ours.st_ino;
}

static void forget(const struct bv_engine_container *c)
{
    autoclose int dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return;
    unlinkat(dir, BV_CONTAINER_PID, 0);
    unlinkat(dir, OWNED_FILE, 0);
}

/* crun mounts the root here while it restores, and is not to find it the next time. */
static void tidy_bundle(const struct oci *o)
{
    autofree char *bundle = bundle_of(o);
    autofree char *left = bv_asprintf("%s/criu-root", bundle);
    rmdir(left);
}

/* --- its life --- */

static int start(const struct bv_engine_container *c, struct bv_error *err)
{
    struct oci o;
    autowords struct bv_words w = {0};
    int status;
    if (parse(c, &o, err) < 0)
        return -1;
    autofree char *file = bv_asprintf("%s/" BV_CONTAINER_PID, c->dir);
    begin(&o, &w, (const char *[]){"run", "--detach", "--pid-file", file, NULL});
    bv_words_add_list(&w, (const char *const *)c->argv + o.command.verb + 1);
    struct runtime_run r = {.argv = bv_words_argv(&w), .cwd = c->cwd};
    if (own(&o, BV_ENOEXEC, err) < 0 || runtime_run(&r, &status, err) < 0)
        return -1;
    if (status != 0) {
        if (WIFEXITED(status)) /* it has removed what there was of it */
            forget(c);
        return bv_fail(err, BV_ENOEXEC, 0, "%s could not start the container %s", c->argv[0], o.id);
    }
    return bv_pid_file_read(c->dir, BV_CONTAINER_PID) > 0
               ? 0
               : bv_fail(err, BV_ENOEXEC, 0, "%s does not tell the pid of the container %s", c->argv[0], o.id);
}

/* What was killed while it was restored may not be there for the runtime, and still have its name. */
static int remove_it(const struct bv_engine_container *c, struct bv_error *err)
{
    struct oci o;
    autowords struct bv_words w = {0};
    autojson json_t *state = NULL;
    if (!is_owned(c)) {
        forget(c);
        return 0;
    }
    if (parse(c, &o, err) < 0)
        return -1;
    int is_there = ask_state(&o, &state, err);
    if (is_there < 0)
        return -1;
    begin(&o, &w, (const char *[]){"delete", "--force", o.id, NULL});
    if ((!is_there || is_ours(&o, state)) &&
        call(&o, &w, RUNTIME_VERB_TIMEOUT, "remove", BV_EENGINE, is_there ? err : NULL) < 0 && is_there)
        return -1;
    tidy_bundle(&o);
    forget(c);
    return 0;
}

/* --- checkpoint and restart --- */

/* crun starts criu outside of the container's group, so CRIU would make groups by itself: in all hierarchies that it
 * knows, frozen as they were. Told to ignore them it leaves that to crun. runc does it right, and cannot be told. */
static const char *const runc_groups[] = {NULL};
static const char *const crun_groups[] = {"--manage-cgroups-mode=ignore", NULL};

struct oci_dump {
    struct oci oci;
    const char *const *groups;
};

static int dump_frozen(struct bv_engine_dump *d, const void *arg, struct bv_error *err)
{
    const struct oci_dump *how = arg;
    const struct oci *o = &how->oci;
    autowords struct bv_words w = {0};
    autofree char *images = NULL, *work = NULL;
    if (runtime_name_directories(d->images_fd, &images, &work, err) < 0)
        return -1;
    begin(o, &w,
          (const char *[]){"checkpoint", "--leave-running", "--file-locks", "--image-path", images, "--work-path", work,
                           NULL});
    bv_words_add_list(&w, how->groups);
    if (runtime_is_alone_in_network(d->root))
        bv_words_add(&w, "--tcp-established");
    bv_words_add(&w, o->id);
    if (call(o, &w, 0, "checkpoint", BV_EENGINE, err) < 0)
        return runtime_explain(work, "dump.log", BV_EENGINE, "dump", err);
    return 0;
}

static int dump(struct bv_engine_dump *d, const char *const *groups, struct bv_error *err)
{
    struct oci_dump how = {.groups = groups};
    return parse(d->container, &how.oci, err) < 0 ? -1 : runtime_dump(d, dump_frozen, &how, err);
}

static int restore(const struct bv_engine_restore *r, const char *const *groups, struct bv_error *err)
{
    struct oci o;
    autowords struct bv_words w = {0};
    int status;
    autofree char *images = NULL, *work = NULL;
    autofree char *file = bv_asprintf("%s/" BV_CONTAINER_PID, r->container->dir);
    if (parse(r->container, &o, err) < 0 || runtime_name_directories(r->images_fd, &images, &work, err) < 0)
        return -1;
    /* Its standard files are the container's: what it says itself must not get among the container's output. */
    autofree char *log = bv_asprintf("%s/runtime.log", work);
    begin(&o, &w,
          (const char *[]){"--log", log, "restore", "--detach", "--file-locks", "--tcp-established", "--image-path",
                           images, "--work-path", work, "--pid-file", file, "--bundle",
                           o.bundle ? o.bundle : r->container->cwd, NULL});
    bv_words_add_list(&w, groups);
    bv_words_add(&w, o.id);
    struct runtime_run how = {.argv = bv_words_argv(&w), .cwd = r->container->cwd, .own_mounts = 1};
    if (own(&o, BV_ERESTORE, err) < 0 || runtime_run(&how, &status, err) < 0)
        return -1;
    if (WIFEXITED(status) && status != 0) { /* it has removed what there was of it */
        tidy_bundle(&o);
        forget(r->container);
    }
    if (status == 0 && bv_pid_file_read(r->container->dir, BV_CONTAINER_PID) > 0)
        return 0;
    autoclose int dir = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autofree char *said = dir < 0 ? NULL : bv_read_proc(dir, "runtime.log", 1 << 16);
    if (said)
        said[strcspn(said, "\n")] = '\0';
    bv_fail(err, BV_ERESTORE, 0, "%s could not restore the container: %.1000s", o.c->argv[0], said ? said : "");
    return runtime_explain(work, "restore.log", BV_ERESTORE, "restore", err);
}

static int dump_runc(struct bv_engine_dump *d, struct bv_error *err)
{
    return dump(d, runc_groups, err);
}

static int dump_crun(struct bv_engine_dump *d, struct bv_error *err)
{
    return dump(d, crun_groups, err);
}

static int restore_runc(const struct bv_engine_restore *r, struct bv_error *err)
{
    return restore(r, runc_groups, err);
}

static int restore_crun(const struct bv_engine_restore *r, struct bv_error *err)
{
    return restore(r, crun_groups, err);
}

#define OCI_ENGINE(runtime)                                                                                            \
    {                                                                                                                  \
        .struct_size = sizeof(struct bv_engine),                                                                       \
        .api = BV_ENGINE_API,                                                                                          \
        .name = #runtime,                                                                                              \
        .capabilities = BV_ENGINE_LEAVE_RUNNING | BV_ENGINE_FROZEN_HOOK | BV_ENGINE_TCP | BV_ENGINE_CONTAINER,         \
        .probe = probe_##runtime,                                                                                      \
        .dump = dump_##runtime,                                                                                        \
        .restore = restore_##runtime,                                                                                  \
        .check = check,                                                                                                \
        .start = start,                                                                                                \
        .thaw = runtime_thaw_noted,                                                                                    \
        .remove = remove_it,                                                                                           \
    }

const struct bv_engine bv_engine_runc = OCI_ENGINE(runc);
const struct bv_engine bv_engine_crun = OCI_ENGINE(crun);
