/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/copy.h"
#include "cli/lsf.h"
#include "cli/options.h"
#include "cli/run.h"
#include "cli/supervise.h"
#include "job/needs.h"
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

struct run {
    struct cmd_attempt a;
    struct bv_spec spec;
    const struct bv_sched *sched; /* that runs us, NULL = none */
    struct bv_sched_job job;      /* what it says of the job */
    const char *from;
    int keep_script;
    char *note; /* on what was chosen for it */
    const struct cmd_run_how *how;
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

static int take_variable(const char *text, void *to, struct bv_error *err)
{
    if (text[0] == '=' || !strchr(text, '='))
        return bv_fail(err, BV_EUSAGE, 0, "write NAME=VALUE, not '%s'", text);
    cmd_list_add(to, bv_strdup(text));
    return 0;
}

static int is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int set_command(struct run *r, char **command, struct bv_error *err)
{
    char cwd[PATH_MAX];
    struct bv_spec *spec = &r->spec;
    if (!getcwd(cwd, sizeof(cwd)) || cwd[0] != '/')
        return bv_fail(err, BV_ENODIR, errno, "cannot tell the working directory");
    if (spec->private_tmp && is_below(cwd, "/tmp"))
        return bv_fail(err, BV_EUSAGE, 0, "--tmp private would hide the working directory %s: run the job elsewhere",
                       cwd);
    spec->cwd = bv_strdup(cwd);
    for (char **a = command; *a; a++)
        cmd_list_add(&spec->argv, bv_strdup(*a));
    if (r->keep_script)
        r->a.o.script = command[r->how->script_word];
    r->a.o.script_word = r->how->script_word;
    return 0;
}

/* What the job is, if it does not exist yet. */
static int complete(struct run *r, char **command, struct bv_error *err)
{
    if (r->from) {
        r->a.o.restart_only = 1;
        bv_spec_free(&r->spec);
        return cmd_copy_spec(r->a.settings.store, r->from, &r->spec, err);
    }
    r->spec.private_tmp = r->a.settings.private_tmp;
    r->spec.cpu_baseline = (enum bv_cpu_baseline)r->a.settings.cpu_baseline; /* the words are in that order */
    r->spec.capture_limit = r->a.settings.capture_limit;
    if (set_command(r, command, err) < 0)
        return -1;
    if (bv_needs_apply(&r->a.settings, environ, &r->spec, &r->note, err) < 0)
        return -1;
    r->a.o.note = r->note;
    return 0;
}

/* The job is named by the scheduler, unless by the user; then it may be one that could not be named. Returns 1 if it is
 * the very job in which we already run: then its command is nothing but a part of it. */
static int ask_scheduler(struct run *r, struct bv_error *err)
{
    struct bv_error e = {0};
    const char *around = getenv("BIVOUAC_JOB");
    if (bv_sched_detect(&r->sched, &r->job, &e) < 0)
        return r->a.o.job_id ? 0 : bv_fail(err, e.code, 0, "%s", e.text);
    if (!r->sched)
        return 0;
    if (!r->a.o.job_id)
        r->a.o.job_id = r->job.id;
    r->a.o.again = r->job.again || r->how->again;
    r->a.o.scheduler = r->sched->name;
    r->a.o.scheduler_job = r->job.native;
    return around && strcmp(around, r->a.o.job_id) == 0;
}

static int run_inside(char **command)
{
    struct bv_error err = {0};
    execvp(command[0], command);
    bv_fail(&err, errno == ENOENT ? BV_ENOCMD : BV_ENOEXEC, errno, "%s", command[0]);
    return cmd_fail(&err, 0);
}

static enum cmd_next take_options(struct run *r, int argc, char **argv, int *ret_status)
{
    const struct cmd_option own[] = {
        {'j', "job", "ID",
         "name of the job (default: what the scheduler calls it, as in slurm-1234, else a new one, local-...)",
         .take = take_job, .to = &r->a.o},
        {0, "bind", "HOST:JOB", "let the job see the directory or file HOST at JOB; may be repeated", .take = take_bind,
         .to = &r->spec},
        {0, "env", "NAME=VALUE", "set a variable for the job; may be repeated", .take = take_variable,
         .to = &r->spec.environment},
        {0, "capture", "DIR", "put every file in DIR back at a restart; may be repeated", .take = cmd_take_paths,
         .to = &r->spec.capture},
        {0, "no-capture", "GLOB", "... but not files whose name or path in DIR matches; may be repeated",
         .take = cmd_take_word, .to = &r->spec.no_capture},
        {0, "from", "JOB[@GEN]", "a new job does not start COMMAND, but goes on from that checkpoint of another",
         .to = &r->from},
        {0, "keep-script", NULL,
         "run a copy of COMMAND, a script, that is kept with the job: a scheduler's own may vanish",
         .to = &r->keep_script},
        {0},
    };
    struct cmd_option all[CMD_OPTIONS_MAX] = {0};
    cmd_add_options(all, own);
    cmd_add_attempt(all, BV_FOR_RUN, &r->a);
    return cmd_options(&syntax, all, argc, argv, ret_status);
}

static int run(struct run *r, int argc, char **argv)
{
    struct bv_error err = {0};
    int status;
    if (take_options(r, argc, argv, &status) == CMD_DONE)
        return status;
    if (optind == argc && !r->from)
        return cmd_usage("run", "no command is given");
    int inside = ask_scheduler(r, &err);
    if (inside > 0)
        return run_inside(argv + optind);
    if (inside < 0 || cmd_load_settings(&r->a.settings, r->a.job_file, &err) < 0 ||
        complete(r, argv + optind, &err) < 0)
        return cmd_attempt_fail(&r->a, &err);
    autoplace struct bv_lsf_place place = {.dirfd = -1};
    if (cmd_lsf_adopt(&place, &r->a.o, &r->a.settings, &err) < 0 ||
        (r->sched && bv_sched_watch(r->sched, &r->a.o.advice_fd, &err) < 0))
        return cmd_attempt_fail(&r->a, &err);
    return cmd_supervise(&r->a);
}

int cmd_run_how(const struct cmd_run_how *how, int argc, char **argv)
{
    struct run r = {.how = how};
    cmd_attempt_init(&r.a);
    r.a.o.spec = &r.spec;
    r.a.hold_exit = how->hold_exit;
    r.a.tell_signal = how->tell_signal;
    int status = run(&r, argc, argv);
    bv_spec_free(&r.spec);
    free(r.note);
    cmd_attempt_free(&r.a);
    return status;
}

int bv_cmd_run(int argc, char **argv)
{
    return cmd_run_how(&(struct cmd_run_how){0}, argc, argv);
}
