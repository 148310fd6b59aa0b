/* SPDX-License-Identifier: Apache-2.0 */
/* Placement under Slurm: which features nodes have, which a job needs, and the controller's hook. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "proc/cpu.h"
#include "proc/host.h"
#include "sched/slurm/slurm.h"
#include "store/generation.h"

#define PLACE_TIME 600.0 /* s until a job that has ended is in the queue again */

static const struct cmd_syntax syntax = {
    .name = "slurm",
    .usage = "features [--conf] [--json]\n"
             "features [--json] [--store DIR] JOB\n"
             "place [--wait]",
    .text =
        "Let jobs go on only on nodes whose CPUs have what they may have used.\n\n"
        "'features' prints the features that this node should have in slurm.conf; of JOB, the constraint that its last\n"
        "checkpoint needs. 'place' is for the script that EpilogSlurmctld names: a job that is requeued is constrained\n"
        "to nodes with the features of the one where it was. See doc/admin/slurm.md.\n",
};

struct arguments {
    int conf, json, wait;
    const char *store;
};

static int print_node(const struct arguments *a, struct bv_error *err)
{
    struct bv_host host;
    autofree char *flags = NULL;
    if (bv_host_read(&host, err) < 0 || bv_cpu_flags(&flags, err) < 0)
        return -1;
    const char *node = getenv("SLURMD_NODENAME");
    autofree char *features = bv_cpu_features(host.machine, flags);
    host.name[strcspn(host.name, ".")] = '\0';
    if (!node)
        node = host.name;
    if (a->json) {
        autojson json_t *all = json_pack("{s:s, s:s}", "node", node, "features", features);
        cmd_print_json(all);
    } else if (a->conf)
        printf("NodeName=%s Feature=%s\n", node, features);
    else
        puts(features);
    return 0;
}

/* The generation that is named, or the last one. */
static int find_generation(const struct bv_job *job, unsigned named, unsigned *ret, struct bv_error *err)
{
    autofree unsigned *list = NULL;
    size_t n = 0;
    *ret = named;
    if (named)
        return 0;
    if (bv_generation_list(job, &list, &n, err) < 0)
        return -1;
    if (n == 0)
        return bv_fail(err, BV_ENOJOB, 0, "job %s has no checkpoint yet, and may start anywhere", job->id);
    *ret = list[n - 1];
    return 0;
}

static int print_job(const char *name, const struct arguments *a, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    autogen struct bv_gen *gen = NULL;
    unsigned named, generation;
    json_t *host;
    const char *machine, *cpu;
    if (cmd_open_store(a->store, &store, err) < 0 || cmd_open_job(&store, name, &job, &named, err) < 0 ||
        find_generation(&job, named, &generation, err) < 0 || bv_gen_open(&job, generation, &gen, err) < 0 ||
        bv_json_object(bv_gen_content(gen), "host", &host, err) < 0 ||
        bv_json_str(host, "machine", &machine, err) < 0 || bv_json_str(host, "cpu", &cpu, err) < 0)
        return -1;
    autofree char *features = bv_cpu_features(machine, cpu);
    autofree char *need = bv_slurm_need(features);
    if (a->json) {
        autojson json_t *all =
            json_pack("{s:s, s:i, s:s}", "job", job.id, "generation", (int)generation, "constraint", need);
        cmd_print_json(all);
    } else
        puts(need);
    return 0;
}

/* The controller waits for its hook before it puts the job into the queue, so what waits for that has to outlive the
 * hook. */
static int go_on_behind(struct bv_error *err)
{
    pid_t pid = fork();
    if (pid < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot start a process");
    if (pid > 0)
        _exit(0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (setsid() < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot leave the hook");
    return 0;
}

static int place(const struct arguments *a, struct bv_error *err)
{
    const char *number = getenv("SLURM_JOB_ID"), *node = getenv("SLURM_JOB_NODELIST");
    int can = bv_slurm_place_check(number, node, err);
    if (can <= 0)
        return can;
    if (!a->wait && go_on_behind(err) < 0)
        return -1;
    return bv_slurm_place_again(number, node, PLACE_TIME, err);
}

static int dispatch(const char *what, int argc, char **argv, const struct arguments *a, struct bv_error *err)
{
    if (strcmp(what, "place") == 0 && argc == 0)
        return place(a, err);
    if (strcmp(what, "features") == 0 && argc <= 1)
        return argc ? print_job(argv[0], a, err) : print_node(a, err);
    return bv_fail(err, BV_EUSAGE, 0, "%s is not 'features', 'features JOB' or 'place'", what);
}

int bv_cmd_slurm(int argc, char **argv)
{
    struct arguments a = {0};
    struct bv_error err = {0};
    int status;
    const struct cmd_option options[] = {
        {0, "conf", NULL, "of features: as a line of slurm.conf", .to = &a.conf},
        {0, "wait", NULL, "of place: wait here until it is done, and say what went wrong", .to = &a.wait},
        CMD_STORE(&a.store),
        CMD_JSON(&a.json, "print the result as JSON"),
        {0}};
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (optind >= argc)
        return cmd_usage("slurm", "one of features and place is needed");
    return dispatch(argv[optind], argc - optind - 1, argv + optind + 1, &a, &err) < 0 ? cmd_fail(&err, a.json) : 0;
}
