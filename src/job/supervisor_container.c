/* SPDX-License-Identifier: Apache-2.0 */
/* What is otherwise for a job that is a container. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "job/runtime.h"
#include "job/supervisor_private.h"
#include "proc/pidfile.h"

#define THAW_PAUSE 2 /* s; who is to do it may have gone away for a while */

int supervisor_has_container(const struct supervisor *s)
{
    return s->engine && (s->engine->capabilities & BV_ENGINE_CONTAINER);
}

/* What only a capsule of ours could give. */
static int check_settings(const struct supervisor *s, const struct bv_spec *spec, struct bv_error *err)
{
    const char *what = spec->private_network ? "--network private"
                       : spec->private_tmp   ? "--tmp private"
                       : spec->preload       ? "--preload yes"
                       : spec->bind_count    ? "--bind"
                       : s->options->chdir   ? "--chdir"
                                             : NULL;
    if (!what)
        return 0;
    return bv_fail(err, BV_EUSAGE, 0, "%s is nothing for a container: leave it out, and say it to %s", what,
                   s->engine->name);
}

int container_choose_engine(struct supervisor *s, const struct bv_spec *spec, struct bv_error *err)
{
    s->engine = bv_engine_find(spec->engine, err);
    if (!s->engine || s->engine->probe(&s->engine_info, err) < 0)
        return -1;
    const struct bv_engine_container c = {.argv = spec->argv, .cwd = spec->cwd};
    if (!supervisor_has_container(s))
        return 0;
    return check_settings(s, spec, err) < 0 || s->engine->check(&c, err) < 0 ? -1 : 0;
}

static int start(void *arg, struct bv_error *err)
{
    const struct supervisor *s = arg;
    return s->engine->start(&s->container, err);
}

static int remove_it(void *arg)
{
    struct bv_error err = {0};
    const struct supervisor *s = arg;
    int rc = s->engine->remove(&s->container, &err);
    if (rc < 0)
        bv_warn("the container of job %s was not removed: %s", s->job.id, err.text);
    return rc;
}

/* Until the container is gone the job is ours. */
static void waiting(void *arg)
{
    supervisor_renew(arg);
}

int container_prepare(struct supervisor *s, struct bv_error *err)
{
    if (!supervisor_has_container(s))
        return 0;
    if (bv_runtime_job_dir(s->store.path, s->job.id, &s->container_dir, err) < 0)
        return -1;
    s->container = (struct bv_engine_container){.argv = s->spec.argv, .cwd = s->spec.cwd, .dir = s->container_dir};
    s->capsule_container = (struct bv_capsule_container){.dir = s->container_dir,
                                                         .pid_name = BV_CONTAINER_PID,
                                                         .wait_name = BV_CONTAINER_WAIT,
                                                         .start = start,
                                                         .remove = remove_it,
                                                         .waiting = waiting,
                                                         .arg = s};
    s->operation.container = &s->container;
    s->config.container = &s->capsule_container;
    /* Of an attempt that was killed together with its init. */
    return s->engine->remove(&s->container, err);
}

int container_signal(const struct supervisor *s, int exit_status)
{
    int sig = exit_status - 128;
    return (s->engine->capabilities & BV_ENGINE_SHELL_STATUS) && sig > 0 && sig < NSIG ? sig : 0;
}

pid_t container_root(const struct supervisor *s)
{
    return s->container_dir ? bv_pid_file_read(s->container_dir, BV_CONTAINER_PID) : 0;
}

void container_thaw(struct supervisor *s)
{
    struct bv_error err = {0};
    int is_new = s->thaw_deadline.at_ns == 0;
    s->thaw_deadline = (struct bv_deadline){0};
    if (!s->container_dir || s->engine->thaw(&s->container, &err) == 0)
        return;
    if (is_new)
        bv_warn("job %s stands still, and this is tried again: %s", s->job.id, err.text);
    s->thaw_deadline = bv_deadline_in(THAW_PAUSE);
}

void container_free(struct supervisor *s)
{
    if (s->container_dir)
        rmdir(s->container_dir);
    free(s->container_dir);
}
