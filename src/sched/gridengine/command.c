/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sched/gridengine/start.h"

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ".../job_scripts/5" is the copy that an execution host has of the script of job 5. */
static int is_spooled(const char *path, const char *job)
{
    static const char dir[] = "/job_scripts/";
    const char *base = base_of(path);
    size_t n = strlen(dir);
    return job && strcmp(base, job) == 0 && (size_t)(base - path) >= n && strncmp(base - n, dir, n) == 0;
}

/* Which shells take -l, to be a login shell, in front of a script. */
static int takes_l(const char *shell)
{
    static const char *const able[] = {"sh", "bash", "dash", "ksh", "mksh", "zsh"};
    for (size_t i = 0; i < sizeof(able) / sizeof(able[0]); i++)
        if (strcmp(base_of(shell), able[i]) == 0)
            return 1;
    return 0;
}

/* In the mode "unix_behavior" the script's first line names the shell; in all others it is the one of -S or of the
 * queue that runs the script. */
char **bv_gridengine_command(const struct bv_gridengine_how *how, int argc, char *const *argv, int *ret_script)
{
    char **words = bv_alloc(((size_t)argc + 3) * sizeof(*words));
    size_t n = 0;
    int script = argc > 0 && is_spooled(argv[0], how->job);
    int by_shell = script && how->shell && *how->shell && how->mode && strcmp(how->mode, "unix_behavior") != 0 &&
                   strcmp(how->mode, "raw_exec") != 0;
    if (by_shell)
        words[n++] = (char *)how->shell;
    if (by_shell && how->login && strcmp(how->login, "true") == 0 && takes_l(how->shell))
        words[n++] = (char *)"-l";
    *ret_script = script ? (int)n : -1;
    for (int i = 0; i < argc; i++)
        words[n++] = argv[i];
    return words;
}
