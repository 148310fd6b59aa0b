/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"

#include <string.h>

#include "engine/criu/criu.h"
#include "engine/runtime/runtime.h"

/* The first is the default. */
static const struct bv_engine *const engines[] = {&bv_engine_criu, &bv_engine_runc, &bv_engine_crun, &bv_engine_podman,
                                                  &bv_engine_docker};

const struct bv_engine *bv_engine_find(const char *name, struct bv_error *err)
{
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
        if (!name || strcmp(engines[i]->name, name) == 0)
            return engines[i];
    bv_fail(err, BV_EUSAGE, 0, "there is no engine called '%s'", name);
    return NULL;
}

const struct bv_engine *bv_engine_of_command(char *const *argv)
{
    const char *slash = strrchr(argv[0], '/');
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
        if ((engines[i]->capabilities & BV_ENGINE_CONTAINER) &&
            strcmp(engines[i]->name, slash ? slash + 1 : argv[0]) == 0 && runtime_is_run(argv))
            return engines[i];
    return NULL;
}

int bv_engine_hook_main(char *const *argv)
{
    int status = criu_hook_main();
    return status >= 0 ? status : podman_hook_main(argv);
}
