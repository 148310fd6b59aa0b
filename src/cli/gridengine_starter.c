/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "cli/cmd.h"
#include "cli/gridengine.h"
#include "cli/options.h"
#include "cli/run.h"
#include "sched/gridengine/start.h"

static int start_plain(char **command)
{
    struct bv_error err = {0};
    execvp(command[0], command);
    bv_fail(&err, errno == ENOENT ? BV_ENOCMD : BV_ENOEXEC, errno, "cannot run %s", command[0]);
    return cmd_fail(&err, 0);
}

/* Is this job to be run under Bivouac, and does it not run so already? */
static int is_ours(void)
{
    struct bv_gridengine_id id;
    char name[BV_JOB_ID_MAX + 1];
    const char *env = getenv("SGE_CKPT_ENV"), *around = getenv("BIVOUAC_JOB");
    if (!env || strcmp(env, BV_GRIDENGINE_CKPT) != 0)
        return 0;
    if (!around || bv_gridengine_job(&id, NULL) <= 0)
        return 1;
    bv_gridengine_name(id, name);
    return strcmp(around, name) != 0; /* "qsub -V" within a job carries the name of that one along */
}

/* Grid Engine signals each process of a job, by a group that it gives to all of them. What Bivouac is to act on must
 * not end the program, which may have no use for it; one that sets up a handler gets it all the same. */
static void spare_job(const struct bv_signal_actions *actions)
{
    for (int n = 1; n < BV_SIGNALS; n++)
        if (actions->of[n] != BV_SIGNAL_PASS)
            signal(n, SIG_IGN);
}

/* The store that everything else of this job will find, too; and what it knows of the job. -1 = error. */
static int look_back(char *const *words, int script, struct bv_error *err)
{
    autosettings struct bv_settings settings;
    struct bv_sched_job job = {0};
    autofree char *store = NULL;
    const char *why;
    bv_settings_init(&settings);
    if (bv_sched_gridengine.detect(&job, err) < 0 || cmd_load_settings(&settings, NULL, err) < 0 ||
        bv_gridengine_store(&settings, &store, err) < 0)
        return -1;
    struct bv_gridengine_begin b = {
        .store = store, .id = job.id, .words = words, .script = script, .restarted = job.again};
    spare_job(&settings.on_signal);
    int past = bv_gridengine_begin(&b, &why, err);
    if (past < 0)
        return -1;
    if (why)
        bv_note("job %s starts from its beginning: %s", job.id, why);
    if (setenv("BIVOUAC_STORE", store, 1) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot set BIVOUAC_STORE");
    return past;
}

/* TMPDIR is removed when the job leaves the host, so it is part of its checkpoints. */
static char **run_line(char *const *words, int script, int *ret_count)
{
    static char name[] = "run", keep[] = "--keep-script", capture[] = "--capture", end[] = "--";
    char *tmp = getenv("TMPDIR");
    size_t count = 0, n = 0;
    while (words[count])
        count++;
    char **line = bv_alloc((count + 6) * sizeof(*line));
    line[n++] = name;
    if (script >= 0)
        line[n++] = keep;
    if (tmp && bv_is_clean_path(tmp) && strcmp(tmp, "/tmp") != 0) {
        line[n++] = capture;
        line[n++] = tmp;
    }
    line[n++] = end;
    memcpy(line + n, words, count * sizeof(*line));
    *ret_count = (int)(n + count);
    return line;
}

int cmd_gridengine_starter(int argc, char **argv)
{
    struct bv_error err = {0};
    struct bv_gridengine_how how = {
        .job = getenv("JOB_ID"),
        .mode = getenv("SGE_STARTER_SHELL_START_MODE"),
        .shell = getenv("SGE_STARTER_SHELL_PATH"),
        .login = getenv("SGE_STARTER_USE_LOGIN_SHELL"),
    };
    int script, count;
    if (argc < 2)
        return cmd_usage("gridengine", "starter needs a command");
    autofree char **words = bv_gridengine_command(&how, argc - 1, argv + 1, &script);
    if (!is_ours())
        return start_plain(words);
    unsetenv("BIVOUAC_JOB");
    int past = look_back(words, script, &err);
    if (past < 0) {
        cmd_fail(&err, 0);
        return BV_GRIDENGINE_HOLD;
    }
    autofree char **line = run_line(words, script, &count);
    struct cmd_run_how run = {
        .script_word = script > 0 ? (unsigned)script : 0,
        .again = past == BV_GRIDENGINE_GOES_ON,
        .hold_exit = BV_GRIDENGINE_HOLD,
        .tell_signal = 1,
    };
    return cmd_run_how(&run, count, line);
}
