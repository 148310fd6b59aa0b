/* SPDX-License-Identifier: Apache-2.0 */
/* What Grid Engine is configured with, and what sets that up. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/gridengine.h"
#include "cli/options.h"
#include "sched/gridengine/methods.h"

static const struct cmd_syntax syntax = {
    .name = "gridengine",
    .usage = "install-ckpt [--dry-run] [--force] [--ckpt-dir DIR] [QUEUE]...\n"
             "reap [--yes] [--older-than TIME] [--store DIR] [--json]\n"
             "starter COMMAND [ARGUMENT]...\n"
             "ckpt|migr|clean PID JOB TASK",
    .text =
        "Jobs that are submitted with 'qsub -ckpt bivouac' are checkpointed, and go on when they are run again.\n\n"
        "'install-ckpt' tells Grid Engine so, for these queues (default: all.q). 'reap' says what is left over of jobs\n"
        "that Grid Engine does not know any more, and with --yes removes it. The others are what Grid Engine starts:\n"
        "'starter' as starter_method, 'ckpt', 'migr' and 'clean' as commands of the checkpointing environment.\n"
        "See bivouac-gridengine(1) and doc/admin/gridengine.md.\n",
    .stops = 1,
};

/* --- the commands of the checkpointing environment --- */

/* Grid Engine shows nobody what they print, and takes no notice of what they return: what matters is said by the
 * supervisor, in the job's output and history. */
static int method(const char *what, int argc, char **argv)
{
    struct bv_error err = {0};
    struct bv_gridengine_args args;
    autosettings struct bv_settings settings;
    autogridengine struct bv_gridengine_job_of job = {.store = {.dirfd = -1, .jobsfd = -1}, .job = {.dirfd = -1}};
    bv_settings_init(&settings);
    if (bv_gridengine_args_parse(argc, argv, &args, &err) < 0 || bv_settings_load(&settings, NULL, &err) < 0 ||
        bv_gridengine_open(&args, &settings, &job, &err) < 0)
        return cmd_fail(&err, 0);
    int rc;
    if (strcmp(what, "ckpt") == 0)
        rc = bv_gridengine_ckpt(&job, &args, &err);
    else if (strcmp(what, "migr") == 0)
        rc = bv_gridengine_migr(&job, &args, &err);
    else
        rc = bv_gridengine_clean(&job, &err);
    return rc < 0 ? cmd_fail(&err, 0) : 0;
}

/* --- the command line --- */

static int dispatch(const char *what, int argc, char **argv, struct cmd_gridengine_install *install,
                    const struct cmd_gridengine_reap *reap)
{
    static char all_q[] = "all.q";
    static char *const default_queues[] = {all_q, NULL};
    if (strcmp(what, "starter") == 0)
        return cmd_gridengine_starter(argc + 1, argv - 1);
    if (strcmp(what, "ckpt") == 0 || strcmp(what, "migr") == 0 || strcmp(what, "clean") == 0)
        return method(what, argc, argv);
    if (strcmp(what, "install-ckpt") == 0) {
        install->queues = argc ? argv : default_queues;
        return cmd_gridengine_install(install);
    }
    if (strcmp(what, "reap") == 0)
        return argc ? cmd_usage("gridengine", "reap takes no arguments") : cmd_gridengine_reap(reap);
    return cmd_usage("gridengine", "there is no '%s'", what);
}

int bv_cmd_gridengine(int argc, char **argv)
{
    struct cmd_gridengine_install install = {0};
    struct cmd_gridengine_reap reap = {.older_than = 3600};
    int status;
    const struct cmd_option options[] = {
        {'n', "dry-run", NULL, "of install-ckpt: print the files and commands, and change nothing",
         .to = &install.dry_run},
        {'f', "force", NULL, "of install-ckpt: also where a queue has another starter_method", .to = &install.force},
        {0, "ckpt-dir", "DIR", "of install-ckpt: where the stores of all users are (default: each user's own)",
         .to = &install.dir},
        {'y', "yes", NULL, "of reap: remove it", .to = &reap.yes},
        {0, "older-than", "TIME", "of reap: what has been silent for so long (default: 1h)", .take = cmd_take_duration,
         .to = &reap.older_than},
        CMD_STORE(&reap.store),
        CMD_JSON(&reap.json, "of reap: print it as JSON"),
        {0}};
    /* The options stand behind the word that says what to do; --help may stand before it. */
    const char *what = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    if (cmd_options(&syntax, options, argc - (what != NULL), argv + (what != NULL), &status) == CMD_DONE)
        return status;
    if (!what)
        return cmd_usage("gridengine", "one of install-ckpt, reap, starter, ckpt, migr and clean is needed");
    return dispatch(what, argc - 1 - optind, argv + 1 + optind, &install, &reap);
}
