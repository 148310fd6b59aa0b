/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/gridengine.h"
#include "engine/engine.h"
#include "sched/lsf/methods.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    {"run", bv_cmd_run, "run a command so that it can be checkpointed, or continue it"},
    {"checkpoint", bv_cmd_checkpoint, "save the state of a running job"},
    {"restart", bv_cmd_restart, "continue a job from a checkpoint"},
    {"migrate", bv_cmd_migrate, "let a scheduler's job go on on another node"},
    {"list", bv_cmd_list, "list jobs"},
    {"show", bv_cmd_show, "show a job, or one of its checkpoints"},
    {"history", bv_cmd_history, "tell what became of a job, over all its attempts"},
    {"top", bv_cmd_top, "show the jobs that run, and what their checkpoints cost"},
    {"report", bv_cmd_report, "write a page with plots about a job"},
    {"metrics", bv_cmd_metrics, "print figures of all jobs for Prometheus"},
    {"verify", bv_cmd_verify, "read checkpoints and check every byte"},
    {"delete", bv_cmd_delete, "remove a job, or one of its checkpoints"},
    {"pin", bv_cmd_pin, "keep a checkpoint whatever else would remove it"},
    {"unpin", bv_cmd_unpin, "take such a pin away"},
    {"prune", bv_cmd_prune, "remove what is needed no more; first say what"},
    {"export", bv_cmd_export, "write a checkpoint as one stream, or as plain images of CRIU"},
    {"import", bv_cmd_import, "make a job of such a stream"},
    {"preflight", bv_cmd_preflight, "say what would stop a checkpoint of a program"},
    {"config", bv_cmd_config, "show the settings, and where each comes from"},
    {"rehearse", bv_cmd_rehearse, "try checkpoints and restarts of a command, and compare"},
    {"doctor", bv_cmd_doctor, "say whether this host is able, and what to do"},
    {"matrix", bv_cmd_matrix, "try on this host what can be checkpointed, and print the table"},
    {"lsf", bv_cmd_lsf, "what queues of LSF are configured with"},
    {"slurm", bv_cmd_slurm, "let jobs of Slurm go on on nodes that can run them"},
    {"gridengine", bv_cmd_gridengine, "what Grid Engine is configured with, and set it up"},
    {"condor", bv_cmd_condor, "run the job of HTCondor, and let it go on on other machines"},
};

static void help(FILE *out)
{
    fputs("usage: bivouac COMMAND [OPTION]... [ARGUMENT]...\n\n"
          "Bivouac makes a batch job survive time limits, preemption and node failure.\n\n",
          out);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(out, "  %-12s%s\n", commands[i].name, commands[i].what);
    fputs("\nA first job:\n"
          "  bivouac run --job demo -- ./program       in one terminal\n"
          "  bivouac checkpoint demo --kill            in another: saved, and ended with status 85\n"
          "  bivouac run --job demo -- ./program       goes on where it was\n\n"
          "'bivouac COMMAND --help' and bivouac-COMMAND(1) say more; exit statuses are in bivouac-exit-codes(7).\n",
          out);
}

/* A descriptor 0 to 2 that is closed would be given to the next file that is opened, and what is said to the user would
 * be written into it. */
static int open_standard_files(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd < 3);
    return fd < 0 ? -1 : close(fd);
}

/* Schedulers know some programs by their names alone, which are links to this one. Returns -1 for any other name. A
 * dash in front of it is that of a login shell. */
static int by_name(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } programs[] = {
        {"echkpnt.bivouac", bv_lsf_echkpnt},
        {"erestart.bivouac", bv_lsf_erestart},
        {"condor-wrapper", bv_condor_wrapper},
        {"gridengine-starter", cmd_gridengine_starter},
    };
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";
    name += *name == '-';
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        if (strcmp(name, programs[i].name) == 0)
            return programs[i].run(argc, argv);
    return -1;
}

int main(int argc, char **argv)
{
    int hook = bv_engine_hook_main(argv);
    if (hook >= 0)
        return hook;
    if (open_standard_files() < 0)
        return BV_EINTERNAL;
    int method = by_name(argc, argv);
    if (method >= 0)
        return method;
    if (argc < 2) {
        help(stderr);
        return BV_EUSAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("bivouac " BV_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "bivouac: there is no command '%s' (see bivouac --help)\n", argv[1]);
    return BV_EUSAGE;
}
