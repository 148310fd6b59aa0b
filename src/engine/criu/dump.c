/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/criu/criu.h"

#include <string.h>

#include "base/cleanup.h"

/* Why each, see the experiments cited in ARCHITECTURE.md ("CRIU's options"):
 * locks, big deleted files and files with another link are kept; build ids tell a rebuilt executable; the CPU's
 * features are written, so that a restore elsewhere can be refused; cgroups are the scheduler's business. */
#define OPTIONS                                                                                                        \
    "--no-default-config", "--unprivileged", "--file-locks", "--link-remap", "--ghost-limit", "1G",                    \
        "--file-validation", "buildid", "--cpu-cap=cpu", "--manage-cgroups=ignore", "--network-lock", "skip"

static const char *const *options_for(enum bv_connections_fate connections)
{
    static const char *const refuse[] = {OPTIONS, NULL};
    static const char *const keep[] = {OPTIONS, "--tcp-established", NULL};
    static const char *const close[] = {OPTIONS, "--tcp-close", NULL};
    return connections == BV_CONNECTIONS_KEEP ? keep : connections == BV_CONNECTIONS_CLOSE ? close : refuse;
}

static int on_notify(void *arg, const char *script, int fd, struct bv_error *err)
{
    const struct bv_engine_dump *d = arg;
    if (fd >= 0)
        close(fd);
    if (strcmp(script, "post-dump") != 0 || !d->frozen)
        return 0;
    return d->frozen(d->arg, err);
}

int criu_dump(struct bv_engine_dump *d, struct bv_error *err)
{
    struct bv_engine_info info;
    if (criu_probe(&info, err) < 0)
        return -1;

    struct criu_spawn how = {
        .path = info.path,
        .options = options_for(d->connections),
    };
    if (d->stream)
        return criu_dump_streaming(d, &how, err);
    struct criu c;
    if (criu_spawn(&how, &c, err) < 0)
        return -1;

    CriuOpts opts = CRIU_OPTS__INIT;
    opts.images_dir_fd = d->images_fd;
    opts.has_pid = 1;
    opts.pid = d->root;
    opts.has_leave_running = 1;
    opts.leave_running = d->leave == BV_LEAVE_RUNNING;
    opts.has_leave_stopped = 1;
    opts.leave_stopped = d->leave == BV_LEAVE_STOPPED;
    opts.has_log_level = 1;
    opts.log_level = 2;
    opts.log_file = (char *)CRIU_LOG;
    opts.has_notify_scripts = 1;
    opts.notify_scripts = 1;
    opts.has_unprivileged = 1;
    opts.unprivileged = 1;
    opts.has_orphan_pts_master = 1;
    opts.orphan_pts_master = d->tty;

    CriuReq req = CRIU_REQ__INIT;
    req.type = CRIU_REQ_TYPE__DUMP;
    req.opts = &opts;

    CriuResp *resp = NULL;
    struct bv_error why = {0};
    int rc = criu_call(&c, &req, on_notify, d, &resp, &why);
    d->died = !c.is_done;
    criu_end(&c);
    if (rc < 0 && why.code == BV_EENGINE)
        criu_log_error(d->images_fd, BV_EENGINE, "dump", NULL, &why);
    if (rc == 0 && !resp->success)
        rc = criu_log_error(d->images_fd, BV_EENGINE, "dump", resp, &why);
    if (resp)
        criu_resp__free_unpacked(resp, NULL);
    if (rc < 0)
        return bv_fail(err, why.code, 0, "%s", why.text);
    d->frozen_ns = criu_frozen_ns(d->images_fd);
    return 0;
}
