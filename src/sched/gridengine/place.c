/* SPDX-License-Identifier: Apache-2.0 */
/* Where the checkpoints of a job are. The starter and the commands that Grid Engine starts beside the job find the same
 * place: all of them have the job's environment. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/name.h"
#include "sched/gridengine/gridengine.h"
#include "store/store.h"

/* By the uid: names in the environment are the job's to change. */
static int own_directory(const char *dir, char **ret, struct bv_error *err)
{
    const struct passwd *who = getpwuid(getuid());
    if (!who || !bv_is_component(who->pw_name))
        return bv_fail(err, BV_ESTORE, 0, "user %u has no name: set BIVOUAC_STORE", (unsigned)getuid());
    autofree char *path = bv_asprintf("%s/%s", dir, who->pw_name);
    /* Whose it is, the store looks at. */
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : bv_store_code(errno), errno,
                       "cannot make %s (the ckpt_dir of the checkpointing environment must have mode 1777)", path);
    *ret = steal_ptr(&path);
    return 0;
}

int bv_gridengine_store(const struct bv_settings *settings, char **ret, struct bv_error *err)
{
    const char *dir = getenv("SGE_CKPT_DIR");
    if (settings->store) {
        *ret = bv_strdup(settings->store);
        return 0;
    }
    if (dir && bv_is_clean_path(dir))
        return own_directory(dir, ret, err);
    return bv_store_default_path(ret, err);
}
