/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/copy.h"
#include "cli/options.h"
#include "cli/supervise.h"

static const struct cmd_syntax syntax = {
    .name = "restart",
    .usage = "[OPTION]... JOB[@GENERATION]",
    .text =
        "Continue JOB from a checkpoint: the newest that verifies, or the one named. Unlike 'bivouac run' it never starts the\n"
        "job's command from the beginning.\n",
    .footer = "Most of these can also be set by BIVOUAC_... variables and in files: bivouac.conf(5).\n",
};

static int take_copy(const char *text, void *to, struct bv_error *err)
{
    *(const char **)to = text;
    return bv_job_id_check(text, err);
}

static enum cmd_next take_options(struct cmd_attempt *a, const char **copy, int argc, char **argv, int *ret_status)
{
    const struct cmd_option own[] = {
        {'j', "job", "NEW", "continue as a new job NEW, a copy; JOB itself is left as it is", .take = take_copy,
         .to = copy},
        {0},
    };
    struct cmd_option all[CMD_OPTIONS_MAX] = {0};
    cmd_add_options(all, own);
    cmd_add_attempt(all, BV_FOR_RESTART, a);
    return cmd_options(&syntax, all, argc, argv, ret_status);
}

static int restart(struct cmd_attempt *a, int argc, char **argv)
{
    struct bv_error err = {0};
    autospec struct bv_spec spec = {0};
    const char *copy = NULL;
    char job[BV_JOB_ID_MAX + 1];
    int status;
    if (take_options(a, &copy, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc - optind != 1)
        return cmd_usage("restart", "exactly one JOB[@GENERATION] is needed");
    if (bv_job_ref_parse(argv[optind], job, &a->o.generation, &err) < 0 ||
        cmd_load_settings(&a->settings, a->job_file, &err) < 0)
        return cmd_fail(&err, 0);
    a->o.restart_only = 1;
    a->o.job_id = job;
    if (copy) {
        if (cmd_copy_spec(a->settings.store, argv[optind], &spec, &err) < 0)
            return cmd_fail(&err, 0);
        a->o.spec = &spec;
        a->o.job_id = copy;
        a->o.generation = 0;
    }
    return cmd_supervise(a);
}

int bv_cmd_restart(int argc, char **argv)
{
    struct cmd_attempt a;
    cmd_attempt_init(&a);
    int status = restart(&a, argc, argv);
    cmd_attempt_free(&a);
    return status;
}
