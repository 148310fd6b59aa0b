/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/supervise.h"
#include "sched/sched.h"

static const struct cmd_syntax syntax = {
    .name = "run",
    .usage = "[OPTION]... [--] COMMAND [ARGUMENT]...",
    .text =
        "Run COMMAND so that it can be checkpointed at any moment. If job ID has a checkpoint that verifies, continue from\n"
        "it instead: the same line can be run again and again, by hand or by a scheduler, until the job has ended.\n"
        "The exit status is COMMAND's own, or 85 when the job was checkpointed and ended; see bivouac-exit-codes(7).\n",
    .footer = "Most of these can also be set by BIVOUAC_... variables and in files: bivouac.conf(5).\n",
    .stops = 1,
};

static int take_job(const char *text, void *to, struct bv_error *err)
{
    struct bv_supervise_options *o = to;
    o->job_id = text;
    return bv_job_id_check(text, err);
}

static int take_bind(const char *text, void *to, struct bv_error *err)
{
    struct bv_spec *spec = to;
    const char *colon = strchr(text, ':');
    if (!colon || colon == text || !bv_is_clean_path(colon + 1))
        return bv_fail(err, BV_EUSAGE, 0, "write HOST:JOB with an absolute JOB, not '%s'", text);
    autofree char *host = bv_strndup(text, (size_t)(colon - text));
    struct bv_bind b = {.job = bv_strdup(colon + 1)};
    if (cmd_absolute(host, &b.host, err) < 0 || access(b.host, F_OK) < 0) {
        free(b.job);
        free(b.host);
        return bv_fail(err, BV_ENODIR, errno, "cannot find %s", host);
    }
    spec->binds = bv_realloc(spec->binds, spec->bind_count + 1, sizeof(b));
    spec->binds[spec->bind_count++] = b;
    return 0;
}

static int is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int complete(struct bv_spec *spec, char **command, struct bv_error *err)
{
    char cwd[PATH_MAX];
    if (!getcwd(cwd, sizeof(cwd)) || cwd[0] != '/')
        return bv_fail(err, BV_ENODIR, errno, "cannot tell the working directory");
    if (spec->private_tmp && is_below(cwd, "/tmp"))
        return bv_fail(err, BV_EUSAGE, 0, "--tmp private would hide the working directory %s: run the job elsewhere",
                       cwd);
    spec->cwd = bv_strdup(cwd);
    for (char **a = command; *a; a++)
        cmd_list_add(&spec->argv, bv_strdup(*a));
    return 0;
}

/* The job is named by the scheduler, unless by the user. Returns 1 if it is the very job in which we already run: then
 * its command is nothing but a part of it. */
static int ask_scheduler(struct bv_supervise_options *o, struct bv_sched_job *job, struct bv_error *err)
{
    const struct bv_sched *sched;
    const char *around = getenv("BIVOUAC_JOB");
    if (o->job_id)
        return 0;
    if (bv_sched_detect(&sched, job, err) < 0)
        return -1;
    if (!sched)
        return 0;
    o->job_id = job->id;
    o->again = job->again;
    return around && strcmp(around, job->id) == 0;
}

static int run_inside(char **command)
{
    struct bv_error err = {0};
    execvp(command[0], command);
    bv_fail(&err, errno == ENOENT ? BV_ENOCMD : BV_ENOEXEC, errno, "%s", command[0]);
    return cmd_fail(&err, 0);
}

static enum cmd_next take_options(struct bv_supervise_options *o, struct bv_settings *settings, char **chdir_path,
                                  const char **job_file, int argc, char **argv, int *ret_status)
{
    const struct cmd_option first[] = {
        {'j', "job", "ID",
         "name of the job (default: what the scheduler calls it, as in slurm-1234, else a new one, local-...)",
         .take = take_job, .to = o},
        CMD_CONFIG(job_file),
        {0},
    };
    const struct cmd_option last[] = {
        {0, "bind", "HOST:JOB", "let the job see the directory or file HOST at JOB; may be repeated", .take = take_bind,
         .to = o->spec},
        {0, "capture", "DIR", "put every file in DIR back at a restart; may be repeated", .take = cmd_take_paths,
         .to = &o->spec->capture},
        {0, "no-capture", "GLOB", "... but not files whose name or path in DIR matches; may be repeated",
         .take = cmd_take_word, .to = &o->spec->no_capture},
        {0, "chdir", "DIR", "continue in DIR instead of the directory where the job was", .take = cmd_take_path,
         .to = chdir_path},
        {0, "accept-changed", NULL, "continue although a file that is too large to copy has changed",
         .to = &o->accept_changed},
        {0, "takeover", NULL, "the earlier supervisor is known to be dead: do not wait for its lease",
         .to = &o->vouched},
        {0},
    };
    struct cmd_option all[CMD_OPTIONS_MAX] = {0};
    cmd_add_options(all, first);
    cmd_add_settings(all, BV_FOR_RUN, settings);
    cmd_add_options(all, last);
    return cmd_options(&syntax, all, argc, argv, ret_status);
}

int bv_cmd_run(int argc, char **argv)
{
    struct bv_error err = {0};
    autosettings struct bv_settings settings;
    autospec struct bv_spec spec = {0};
    autofree char *chdir_path = NULL;
    struct bv_supervise_options o = {.spec = &spec, .settings = &settings, .advice_fd = -1};
    struct bv_sched_job job = {0};
    const char *job_file = NULL;
    int status;
    bv_settings_init(&settings);
    if (take_options(&o, &settings, &chdir_path, &job_file, argc, argv, &status) == CMD_DONE)
        return status;
    if (optind == argc)
        return cmd_usage("run", "no command is given");
    int inside = ask_scheduler(&o, &job, &err);
    if (inside > 0)
        return run_inside(argv + optind);
    if (inside < 0 || cmd_load_settings(&settings, job_file, &err) < 0)
        return cmd_fail(&err, 0);
    o.chdir = chdir_path;
    spec.private_network = settings.private_network;
    spec.private_tmp = settings.private_tmp;
    spec.capture_limit = settings.capture_limit;
    if (complete(&spec, argv + optind, &err) < 0)
        return cmd_fail(&err, 0);
    return cmd_supervise(&o);
}
