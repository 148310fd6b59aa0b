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

static enum cmd_next take_options(struct bv_supervise_options *o, struct bv_settings *settings, char **chdir_path,
                                  const char **copy, const char **job_file, int argc, char **argv, int *ret_status)
{
    const struct cmd_option own[] = {
        CMD_CONFIG(job_file),
        {0, "chdir", "DIR", "continue in DIR: the job sees it where its own directory was", .take = cmd_take_path,
         .to = chdir_path},
        {'j', "job", "NEW", "continue as a new job NEW, a copy; JOB itself is left as it is", .take = take_copy,
         .to = copy},
        {0, "accept-changed", NULL, "continue although a file that is too large to copy has changed",
         .to = &o->accept_changed},
        {0, "takeover", NULL, "the earlier supervisor is known to be dead: do not wait for its lease",
         .to = &o->vouched},
        {0},
    };
    struct cmd_option all[CMD_OPTIONS_MAX] = {0};
    cmd_add_settings(all, BV_FOR_RESTART, settings);
    cmd_add_options(all, own);
    return cmd_options(&syntax, all, argc, argv, ret_status);
}

int bv_cmd_restart(int argc, char **argv)
{
    struct bv_error err = {0};
    autosettings struct bv_settings settings;
    autospec struct bv_spec spec = {0};
    autofree char *chdir_path = NULL;
    struct bv_supervise_options o = {.restart_only = 1, .settings = &settings, .advice_fd = -1};
    const char *copy = NULL, *job_file = NULL;
    char job[BV_JOB_ID_MAX + 1];
    int status;
    bv_settings_init(&settings);
    if (take_options(&o, &settings, &chdir_path, &copy, &job_file, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc - optind != 1)
        return cmd_usage("restart", "exactly one JOB[@GENERATION] is needed");
    if (bv_job_ref_parse(argv[optind], job, &o.generation, &err) < 0 ||
        cmd_load_settings(&settings, job_file, &err) < 0)
        return cmd_fail(&err, 0);
    o.job_id = job;
    o.chdir = chdir_path;
    if (copy) {
        if (cmd_copy_spec(settings.store, argv[optind], &spec, &err) < 0)
            return cmd_fail(&err, 0);
        o.spec = &spec;
        o.job_id = copy;
        o.generation = 0;
    }
    return cmd_supervise(&o);
}
