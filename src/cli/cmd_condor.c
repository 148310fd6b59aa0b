/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of HTCondor: what runs them, by itself or as the wrapper of the execution point, and what places them. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/supervise.h"
#include "job/needs.h"
#include "proc/cpu.h"
#include "proc/host.h"
#include "sched/condor/report.h"
#include "sched/condor/run.h"

static const struct cmd_syntax syntax = {
    .name = "condor",
    .usage = "run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
             "features",
    .text =
        "Run a job of HTCondor so that it can leave a machine and go on on another.\n\n"
        "'run' runs COMMAND in the sandbox of the job. When HTCondor wants the machine, and as often as --every says,\n"
        "the job is checkpointed into the one file _bivouac.ckpt and ends with status 85; run again where that file\n"
        "is, it goes on. 'features' prints what the machine's ad has to say of its CPU. See doc/admin/htcondor.md.\n",
    .footer = "Most of these can also be set by BIVOUAC_... variables and in files: bivouac.conf(5).\n",
    .stops = 1,
};

static int exec_command(char **command)
{
    struct bv_error err = {0};
    execvp(command[0], command);
    bv_fail(&err, errno == ENOENT ? BV_ENOCMD : BV_ENOEXEC, errno, "cannot run %s", command[0]);
    return cmd_fail(&err, 0);
}

static int fail(const struct bv_error *err)
{
    bv_condor_report_failure(err);
    return cmd_fail(err, 0);
}

static int supervise(struct cmd_attempt *a, const struct bv_condor_job *j, char **command)
{
    struct bv_error err = {0};
    struct bv_outcome outcome = {0};
    autofree char *note = NULL;
    autospec struct bv_spec spec = {.private_tmp = a->settings.private_tmp,
                                    .cpu_baseline = (enum bv_cpu_baseline)a->settings.cpu_baseline,
                                    .capture_limit = a->settings.capture_limit};
    for (char **word = command; *word; word++)
        cmd_list_add(&spec.argv, bv_strdup(*word));
    bv_condor_spec(j, &spec);
    if (bv_needs_apply(&a->settings, environ, &spec, &note, &err) < 0)
        return fail(&err);
    a->o.note = note;
    a->o.spec = &spec;
    a->o.again = j->name.again;
    a->o.scheduler = bv_sched_condor.name;
    a->o.scheduler_job = j->name.native;
    if (bv_condor_run(j, &a->o, &outcome, &err) < 0)
        return cmd_fail(&err, 0);
    if (outcome.how == BV_ENDED_EXIT)
        return outcome.number;
    return outcome.how == BV_ENDED_SIGNAL ? cmd_die_of(outcome.number) : BV_CHECKPOINTED;
}

/* `a` has the options. */
static int run(struct cmd_attempt *a, char **command)
{
    struct bv_error err = {0};
    autocondor struct bv_condor_job j = {.sandbox_fd = -1};
    const char *around = getenv("BIVOUAC_JOB");
    if (bv_condor_job_read(&j, &err) < 0)
        return fail(&err);
    if (around && strcmp(around, j.name.id) == 0) /* we are a part of it already */
        return exec_command(command);
    if (bv_condor_settings_before(&j, &a->settings, &err) < 0 ||
        cmd_load_settings(&a->settings, a->job_file, &err) < 0 || bv_condor_settings_behind(&j, &a->settings, &err) < 0)
        return fail(&err);
    return supervise(a, &j, command);
}

int bv_condor_wrapper(int argc, char **argv)
{
    struct cmd_attempt a;
    if (argc < 2)
        return cmd_usage("condor", "condor-wrapper is given the command of a job by HTCondor");
    if (!bv_condor_is_wanted())
        return exec_command(argv + 1);
    cmd_attempt_init(&a);
    int status = run(&a, argv + 1);
    cmd_attempt_free(&a);
    return status;
}

static int print_features(void)
{
    struct bv_error err = {0};
    struct bv_host host;
    autofree char *flags = NULL;
    if (bv_host_read(&host, &err) < 0 || bv_cpu_flags(&flags, &err) < 0)
        return cmd_fail(&err, 0);
    autofree char *features = bv_cpu_features(host.machine, flags);
    for (char *c = features; *c; c++)
        if (*c == ',')
            *c = ' ';
    printf("BivouacCpu = \"%s\"\n", features);
    return 0;
}

static int dispatch(struct cmd_attempt *a, int argc, char **argv)
{
    struct cmd_option all[CMD_OPTIONS_MAX] = {0};
    int status;
    /* The options stand behind the word that says what to do; --help may stand before it. */
    const char *what = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    const struct cmd_option others[] = {CMD_CONFIG(&a->job_file), {0}};
    cmd_add_settings(all, BV_FOR_RUN, &a->settings);
    cmd_add_options(all, others);
    if (cmd_options(&syntax, all, argc - (what != NULL), argv + (what != NULL), &status) == CMD_DONE)
        return status;
    char **rest = argv + (what != NULL) + optind;
    if (what && strcmp(what, "features") == 0)
        return *rest ? cmd_usage("condor", "features takes no arguments") : print_features();
    if (!what || strcmp(what, "run") != 0)
        return cmd_usage("condor", "one of run and features is needed");
    return *rest ? run(a, rest) : cmd_usage("condor", "no command is given");
}

int bv_cmd_condor(int argc, char **argv)
{
    struct cmd_attempt a;
    cmd_attempt_init(&a);
    int status = dispatch(&a, argc, argv);
    cmd_attempt_free(&a);
    return status;
}
