/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/criu/criu.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define OPTIONS_MAX 16

/* All of them and a NULL. */
static void set_options(const struct bv_engine_restore *r, const char *ret[OPTIONS_MAX])
{
    static const char *const always[] = {
        "--no-default-config",     "--unprivileged", "--file-locks", "--link-remap", "--file-validation", "buildid",
        "--manage-cgroups=ignore", "--network-lock", "skip"};
    size_t n = sizeof(always) / sizeof(always[0]);
    memcpy(ret, always, sizeof(always));
    ret[n++] = r->any_cpu ? "--cpu-cap=none" : "--cpu-cap=cpu";
    if (r->connections == BV_CONNECTIONS_KEEP)
        ret[n++] = "--tcp-established";
    if (r->connections == BV_CONNECTIONS_CLOSE)
        ret[n++] = "--tcp-close";
    ret[n] = NULL;
}

static int on_notify(void *arg, const char *script, int fd, struct bv_error *err)
{
    const struct bv_engine_restore *r = arg;
    autoclose int owned = fd;
    if (strcmp(script, "orphan-pts-master") == 0 && owned >= 0 && r->terminal)
        r->terminal(r->arg, steal_fd(&owned));
    if (strcmp(script, "pre-restore") == 0 && r->begins)
        return r->begins(r->arg, err);
    if (strcmp(script, "post-restore") == 0 && r->restored)
        return r->restored(r->arg, err);
    /* The engine still holds every thread at its last system call: not even a pending signal has been delivered, for
     * which the kernel would write to its stack. */
    if (strcmp(script, "pre-resume") == 0 && r->held)
        return r->held(r->arg, err);
    return 0;
}

static int call(const struct bv_engine_restore *r, const char *path, CriuResp **ret, struct bv_error *err)
{
    const char *options[OPTIONS_MAX];
    set_options(r, options);
    struct criu_spawn how = {
        .path = path,
        .options = options,
        .pipes = r->pipes,
        .pipe_count = r->pipe_count,
    };
    struct criu c;
    if (criu_spawn(&how, &c, err) < 0)
        return -1;

    char keys[CRIU_PIPES_MAX][48];
    InheritFd inherit[CRIU_PIPES_MAX], *list[CRIU_PIPES_MAX];
    for (size_t i = 0; i < r->pipe_count; i++) {
        snprintf(keys[i], sizeof(keys[i]), "pipe:[%llu]", (unsigned long long)r->pipes[i].ino);
        inherit_fd__init(&inherit[i]);
        inherit[i].key = keys[i];
        inherit[i].fd = how.inherited[i];
        list[i] = &inherit[i];
    }

    CriuOpts opts = CRIU_OPTS__INIT;
    opts.images_dir_fd = r->images_fd;
    opts.has_log_level = 1;
    opts.log_level = 2;
    opts.log_file = (char *)CRIU_LOG;
    opts.has_notify_scripts = 1;
    opts.notify_scripts = 1;
    opts.has_unprivileged = 1;
    opts.unprivileged = 1;
    opts.has_leave_stopped = 1;
    opts.leave_stopped = r->stopped;
    opts.has_rst_sibling = 1;
    opts.rst_sibling = 1;
    opts.has_orphan_pts_master = 1;
    opts.orphan_pts_master = r->terminal != NULL;
    opts.inherit_fd = list;
    opts.n_inherit_fd = r->pipe_count;

    CriuReq req = CRIU_REQ__INIT;
    req.type = CRIU_REQ_TYPE__RESTORE;
    req.opts = &opts;
    int rc = criu_call(&c, &req, on_notify, (void *)r, ret, err);
    criu_end(&c);
    return rc;
}

int criu_restore(const struct bv_engine_restore *r, struct bv_error *err)
{
    struct bv_engine_info info;
    if (criu_probe(&info, err) < 0)
        return -1;

    CriuResp *resp = NULL;
    struct bv_error why = {0};
    int rc = call(r, info.path, &resp, &why);
    if (rc < 0 && why.code == BV_EENGINE)
        criu_log_error(r->images_fd, BV_ERESTORE, "restore", NULL, &why);
    if (rc == 0 && !resp->success)
        rc = criu_log_error(r->images_fd, BV_ERESTORE, "restore", resp, &why);
    if (rc == 0 && (!resp->restore || resp->restore->pid != r->root))
        rc = bv_fail(&why, BV_ERESTORE, 0, "criu restored pid %d where %d was expected",
                     resp->restore ? (int)resp->restore->pid : 0, (int)r->root);
    if (resp)
        criu_resp__free_unpacked(resp, NULL);
    if (rc < 0)
        return bv_fail(err, why.code, 0, "%s", why.text);
    return 0;
}
