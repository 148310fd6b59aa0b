/* SPDX-License-Identifier: Apache-2.0 */
#include "job/needs.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "preload/place.h"

/* What a variable is for; it is set where it is not set. Each was found by experiment, with Open MPI 5.0 and MPICH 4.2
 * in a capsule (doc/user/mpi.md). */
static const struct {
    const char *variable;
    int network_only; /* in a network of the job's own */
} variables[] = {
    /* UCX watches a directory with inotify for its debugging file system; a watch cannot be dumped without privilege.
     */
    {"UCX_VFS_ENABLE=n", 0},
    /* System V shared memory cannot be dumped from within its namespace; UCX has others. */
    {"UCX_TLS=^sysv", 1},
    /* Open MPI's session directory is named by a pid, which is the same in each capsule; and it must not stay behind.
     */
    {"PRTE_MCA_prte_tmpdir_base=/dev/shm", 1},
    /* MPICH's launcher would let srun start processes where it finds itself in a job of Slurm. */
    {"HYDRA_LAUNCHER=fork", 1},
};

enum bv_needs_of bv_needs_of(const char *command)
{
    static const char *const launchers[] = {
        "mpirun",  "mpirun.openmpi",  "mpirun.mpich",  "mpirun.hydra",  "orterun",
        "mpiexec", "mpiexec.openmpi", "mpiexec.mpich", "mpiexec.hydra", "prterun",
    };
    const char *slash = strrchr(command, '/');
    const char *name = slash ? slash + 1 : command;
    for (size_t i = 0; i < sizeof(launchers) / sizeof(launchers[0]); i++)
        if (strcmp(name, launchers[i]) == 0)
            return BV_NEEDS_MPI;
    size_t n = strlen(name);
    if (strncmp(name, "python", 6) == 0 || (n > 3 && strcmp(name + n - 3, ".py") == 0))
        return BV_NEEDS_PYTHON;
    return BV_NEEDS_NOTHING;
}

/* The value of the variable that "NAME=…" names; NULL if the list has none. */
static const char *value_in(char *const *list, const char *variable)
{
    size_t n = strcspn(variable, "=") + 1;
    for (size_t i = 0; list && list[i]; i++)
        if (strncmp(list[i], variable, n) == 0)
            return list[i] + n;
    return NULL;
}

static void add(struct bv_spec *spec, char *variable)
{
    size_t n = 0;
    while (spec->environment && spec->environment[n])
        n++;
    spec->environment = bv_realloc(spec->environment, n + 2, sizeof(char *));
    spec->environment[n] = variable;
    spec->environment[n + 1] = NULL;
}

static void add_preload(char *const *around, struct bv_spec *spec)
{
    char **own = spec->environment;
    const char *others = value_in(own, "LD_PRELOAD=");
    if (!others)
        others = value_in(around, "LD_PRELOAD=");
    for (size_t i = 0; own && own[i]; i++)
        if (strncmp(own[i], "LD_PRELOAD=", 11) == 0) {
            char *all = bv_asprintf("LD_PRELOAD=" BV_KEEP_LIBRARY ":%s", others);
            free(own[i]);
            own[i] = all;
            return;
        }
    add(spec, bv_asprintf("LD_PRELOAD=" BV_KEEP_LIBRARY "%s%s", others && *others ? ":" : "", others ? others : ""));
}

/* A hardware address that no machine has by itself: it is the job's wherever it goes. */
static int make_mac(char **ret, struct bv_error *err)
{
    uint8_t r[5];
    if (getrandom(r, sizeof(r), 0) != sizeof(r))
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get random bytes");
    *ret = bv_asprintf("02:%02x:%02x:%02x:%02x:%02x", r[0], r[1], r[2], r[3], r[4]);
    return 0;
}

static int apply_network(const struct bv_settings *settings, enum bv_needs_of needs, struct bv_spec *spec,
                         struct bv_error *err)
{
    enum bv_network_kind kind = settings->network.kind;
    if (settings->tcp == BV_TCP_KEEP && !settings->network.address)
        return bv_fail(err, BV_EUSAGE, 0,
                       "--tcp keep: a connection goes only with the address that it has, so the job needs one of its "
                       "own (--network private,address=ADDRESS/PREFIX,bridge=NAME)");
    spec->private_network = kind == BV_NETWORK_PRIVATE || (kind == BV_NETWORK_AUTO && needs == BV_NEEDS_MPI);
    spec->network = bv_network_copy(&settings->network);
    spec->tcp = (enum bv_tcp)settings->tcp;
    return spec->network.address && !spec->network.mac ? make_mac(&spec->network.mac, err) : 0;
}

/* A container is not in our capsule, and gets none of what follows. */
static int choose_engine(const struct bv_settings *settings, struct bv_spec *spec, char **ret_note)
{
    static const char *const words[] = {NULL, "criu", "runc", "crun", "podman", "docker"}; /* the table's */
    const struct bv_engine *found = settings->engine ? NULL : bv_engine_of_command(spec->argv);
    const char *name = found ? found->name : words[settings->engine];
    if (!name)
        return 0;
    spec->engine = bv_strdup(name);
    if (found)
        *ret_note =
            bv_asprintf("%s runs a container, and makes its checkpoints (--engine criu would take %s itself for "
                        "the job)",
                        found->name, found->name);
    return strcmp(name, "criu") != 0;
}

int bv_needs_apply(const struct bv_settings *settings, char *const *around, struct bv_spec *spec, char **ret_note,
                   struct bv_error *err)
{
    *ret_note = NULL;
    if (choose_engine(settings, spec, ret_note)) {
        spec->private_network = settings->network.kind == BV_NETWORK_PRIVATE;
        spec->preload = settings->preload == BV_PRELOAD_YES;
        return 0;
    }
    enum bv_needs_of needs = bv_needs_of(spec->argv[0]);
    if (apply_network(settings, needs, spec, err) < 0)
        return -1;
    /* A script that starts MPI programs is known by the network that it was given. */
    spec->preload =
        settings->preload == BV_PRELOAD_AUTO ? needs != BV_NEEDS_NOTHING || spec->private_network : settings->preload;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *v = variables[i].variable;
        if ((spec->private_network || !variables[i].network_only) && !value_in(spec->environment, v) &&
            !value_in(around, v))
            add(spec, bv_strdup(v));
    }
    if (spec->preload)
        add_preload(around, spec);
    if (settings->network.kind == BV_NETWORK_AUTO && spec->private_network)
        *ret_note = bv_asprintf("%s starts MPI programs: the job gets a network of its own, without the host's "
                                "(--network host would keep that, and could not be checkpointed)",
                                spec->argv[0]);
    return 0;
}

char **bv_needs_merge(char *const *base, char *const *more)
{
    size_t n = 0, m = 0;
    while (base[n])
        n++;
    while (more && more[m])
        m++;
    char **all = bv_alloc((n + m + 1) * sizeof(char *));
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (!value_in(more, base[i]))
            all[count++] = base[i];
    for (size_t i = 0; i < m; i++)
        all[count++] = more[i];
    return all;
}
