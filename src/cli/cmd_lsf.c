/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration of LSF names: hooks, the job starter, and the command that continues a job. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/lsf.h"
#include "cli/options.h"
#include "job/supervisor.h"
#include "sched/lsf/methods.h"
#include "sched/lsf/overrun.h"
#include "sched/lsf/place.h"
#include "sched/lsf/signals.h"
#include "sched/number.h"

static const struct cmd_syntax syntax = {
    .name = "lsf",
    .usage = "starter [-c] COMMAND [ARGUMENT]...\n"
             "terminate [--interval TIME] [--pending STATUS]\n"
             "post-exec\n"
             "restart [--refuse] DIR",
    .text = "What queues of LSF are configured with:\n\n"
            "  JOB_STARTER = bivouac lsf starter                    every checkpointable job runs under Bivouac\n"
            "  JOB_CONTROLS = TERMINATE[bivouac lsf terminate]      a job at its run limit is saved, if it wants to\n"
            "  POST_EXEC = bivouac lsf post-exec                    and restarted\n\n"
            "'restart' is what erestart.bivouac tells LSF to run. See bivouac-lsf(1) and doc/admin/lsf.md.\n",
    .stops = 1,
};

/* --- starter --- */

static char *join(char **words)
{
    char *line = bv_strdup(words[0]);
    for (char **w = words + 1; *w; w++) {
        char *longer = bv_asprintf("%s %s", line, *w);
        free(line);
        line = longer;
    }
    return line;
}

static int start_plain(char **command)
{
    struct bv_error err = {0};
    execvp(command[0], command);
    bv_fail(&err, errno == ENOENT ? BV_ENOCMD : BV_ENOEXEC, errno, "cannot run %s", command[0]);
    return cmd_fail(&err, 0);
}

/* As "bivouac run", where the job has a checkpoint directory; every other job of the queue is left alone. */
static int starter(int argc, char **argv, int is_line)
{
    if (argc < 1)
        return cmd_usage("lsf", "starter needs a command");
    autofree char *line = is_line ? join(argv) : NULL;
    char sh[] = "/bin/sh", c[] = "-c", name[] = "run", end[] = "--";
    char *shell[] = {sh, c, line, NULL};
    char **command = is_line ? shell : argv;
    size_t count = is_line ? 3 : (size_t)argc;
    const char *dir = getenv("LSB_CHKPNT_DIR");
    if (!dir || !*dir || getenv("BIVOUAC_JOB"))
        return start_plain(command);

    autofree char **run = bv_alloc((count + 3) * sizeof(*run));
    run[0] = name;
    run[1] = end;
    memcpy(run + 2, command, count * sizeof(*run));
    optind = 0;
    return bv_cmd_run((int)count + 2, run);
}

/* --- restart --- */

static int restart_in(struct bv_lsf_place *p, struct bv_error *err)
{
    struct bv_outcome outcome = {0};
    autosettings struct bv_settings settings;
    struct bv_lsf_id id;
    char text[BV_LSF_ID_TEXT];
    bv_settings_init(&settings);
    if (bv_lsf_place_read(p, err) < 0 || cmd_load_settings(&settings, NULL, err) < 0)
        return -1;
    bv_lsf_overrun_begin(p);
    cmd_lsf_use_store(&settings, p->store);
    struct bv_supervise_options o = {
        .settings = &settings,
        .job_id = p->job,
        .restart_only = 1,
        .even_ended = 1,
        .moved_dir = p->path,
    };
    if (bv_lsf_job(&id, NULL) > 0) {
        bv_lsf_id_text(id, text);
        o.scheduler = "lsf";
        o.scheduler_job = text;
    }
    if (bv_supervise(&o, &outcome, err) < 0)
        return -1;
    switch (outcome.how) {
    case BV_ENDED_EXIT:
        return outcome.number;
    case BV_ENDED_SIGNAL: /* LSF takes a death by signal here for success */
        return 128 + outcome.number;
    case BV_ENDED_CHECKPOINTED:
    case BV_ENDED_STOPPED:
        return settings.requeue_exit ? (int)settings.requeue_exit : BV_CHECKPOINTED;
    }
    return BV_EINTERNAL;
}

static int restart(const char *dir, int refuse)
{
    struct bv_error err = {0};
    autoplace struct bv_lsf_place place = {.dirfd = -1};
    bv_lsf_reset_signals();
    if (bv_lsf_place_open(dir, &place, &err) < 0)
        return cmd_fail(&err, 0);
    int status = refuse ? bv_fail(&err, BV_ERESTORE, 0, "erestart.bivouac was killed; the job is not run: use brestart")
                        : restart_in(&place, &err);
    if (status >= 0)
        return status;
    bv_lsf_log(&place, "restart", "failed: %s", err.text);
    return cmd_fail(&err, 0);
}

/* --- the command line --- */

struct arguments {
    int line, refuse;
    struct bv_lsf_terminate_options terminate;
};

static int take_status(const char *text, void *to, struct bv_error *err)
{
    unsigned long long status;
    if (bv_sched_number(text, 255, &status) < 0)
        return bv_fail(err, BV_EUSAGE, 0, "'%s' is no exit status", text);
    *(int *)to = (int)status;
    return 0;
}

static int dispatch(const char *what, int argc, char **argv, const struct arguments *a)
{
    if (strcmp(what, "starter") == 0)
        return starter(argc, argv, a->line);
    if (strcmp(what, "restart") == 0)
        return argc == 1 ? restart(argv[0], a->refuse) : cmd_usage("lsf", "restart needs exactly one directory");
    if (argc != 0)
        return cmd_usage("lsf", "%s takes no arguments", what);
    if (strcmp(what, "terminate") == 0)
        return bv_lsf_terminate(&a->terminate);
    if (strcmp(what, "post-exec") == 0)
        return bv_lsf_post_exec();
    return cmd_usage("lsf", "there is no '%s'", what);
}

int bv_cmd_lsf(int argc, char **argv)
{
    struct arguments a = {.terminate.interval = 10};
    int status;
    const struct cmd_option options[] = {
        {'c', "command", NULL, "of starter: the arguments are a line for /bin/sh", .to = &a.line},
        {0, "interval", "TIME", "of terminate: between SIGINT, SIGTERM and SIGKILL (default: 10s)",
         .take = cmd_take_duration, .to = &a.terminate.interval},
        {0, "pending", "STATUS", "of terminate: exit status while a checkpoint is made (default: 0)",
         .take = take_status, .to = &a.terminate.pending_status},
        {0, "refuse", NULL, "of restart: do not; say that erestart.bivouac did not come to its end", .to = &a.refuse},
        {0}};
    /* The options stand behind the word that says what to do; --help may stand before it. */
    const char *what = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    if (cmd_options(&syntax, options, argc - (what != NULL), argv + (what != NULL), &status) == CMD_DONE)
        return status;
    if (!what)
        return cmd_usage("lsf", "one of starter, terminate, post-exec and restart is needed");
    return dispatch(what, argc - 1 - optind, argv + 1 + optind, &a);
}
