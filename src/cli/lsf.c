/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lsf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "sched/lsf/overrun.h"

void cmd_lsf_use_store(struct bv_settings *settings, const char *store)
{
    free(settings->store);
    settings->store = bv_strdup(store);
}

/* The store that the user has named, or the one that is in use, or NULL for that in the checkpoint directory. */
static int choose_store(const struct bv_lsf_place *place, const char *named, char **ret, struct bv_error *err)
{
    autofree char *own = bv_asprintf("%s/" BV_LSF_STORE, place->path);
    autofree char *path = NULL;
    if (named) {
        if (cmd_absolute(named, &path, err) < 0)
            return -1;
    } else if (place->store) {
        path = bv_strdup(place->store);
    }
    *ret = path && strcmp(path, own) != 0 ? steal_ptr(&path) : NULL;
    return 0;
}

static int adopt_place(struct bv_lsf_place *place, const char *dir, struct bv_supervise_options *o,
                       struct bv_settings *settings, struct bv_error *err)
{
    struct bv_error e = {0};
    struct bv_lsf_id id;
    char name[BV_JOB_ID_MAX + 1] = "";
    autofree char *store = NULL;
    if (bv_lsf_job(&id, err) < 0 || bv_lsf_place_open(dir, place, err) < 0)
        return -1;
    bv_lsf_job_name(id, name);
    int by_user = o->job_id && strcmp(o->job_id, name) != 0;
    int known = bv_lsf_place_read(place, &e) == 0;
    if (!known && e.code != BV_ENOJOB)
        return bv_fail(err, e.code, 0, "%s", e.text);
    if (by_user || known)
        snprintf(name, sizeof(name), "%s", by_user ? o->job_id : place->job);
    if (choose_store(place, settings->store, &store, err) < 0 || bv_lsf_place_write(place, name, store, err) < 0)
        return -1;
    bv_lsf_overrun_begin(place);
    cmd_lsf_use_store(settings, place->store);
    o->job_id = place->job;
    o->moved_dir = place->path;
    return 0;
}

int cmd_lsf_adopt(struct bv_lsf_place *place, struct bv_supervise_options *o, struct bv_settings *settings,
                  struct bv_error *err)
{
    struct bv_lsf_id id;
    autofree char *dir = NULL;
    if (getenv("BIVOUAC_JOB"))
        return 0;
    int got = bv_lsf_job(&id, err);
    if (got <= 0)
        return got;
    if (bv_lsf_checkpoint_dir(&dir, err) < 0)
        return -1;
    return dir ? adopt_place(place, dir, o, settings, err) : 0;
}
