/* SPDX-License-Identifier: Apache-2.0 */
/* HTCondor. The exit status 85 (checkpoint_exit_code) lets the starter carry _bivouac.ckpt to the access point and run
 * the same command again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/condor.h"
#include "cli/options.h"
#include "cli/supervise.h"
#include "job/timeline.h"
#include "proc/cpu.h"
#include "proc/host.h"
#include "store/generation.h"

static const struct cmd_syntax syntax = {
    .name = "condor",
    .usage = "run [OPTION]... -- COMMAND [ARGUMENT]...\nfeatures",
    .text =
        "'run' is a job of HTCondor that can be evicted at any moment: it checkpoints COMMAND from time to time and when it is\n"
        "told to go, in one file, _bivouac.ckpt, which HTCondor carries; started again in whatever sandbox, it goes on from\n"
        "there. OPTIONs are those of 'bivouac run'. 'features' prints what the CPU of this machine has, for its ad.\n"
        "See bivouac-condor(1) and doc/user/htcondor.md.\n",
    .stops = 1,
};

/* --- the end --- */

/* In a window that ends with SIGKILL anyway, and after which HTCondor carries nothing: what the access point has stays.
 */
static void wait_for_the_end(const struct cmd_condor *c)
{
    bv_warn("the checkpoint cannot be carried: waiting to be killed, so that the one before is kept");
    sleep((unsigned)c->job.vacate + 60);
}

static int fail(struct cmd_condor *c, const struct bv_error *e, int is_vacating)
{
    bv_condor_tell_failure(e->text);
    cmd_fail(e, 0);
    if (is_vacating)
        wait_for_the_end(c);
    if (c->boxfd >= 0)
        cmd_condor_clean(c);
    return (int)e->code;
}

static void tell_number(const char *attribute, double value)
{
    autofree char *text = bv_asprintf("%.3f", value);
    bv_condor_tell(attribute, text);
}

/* What the store knows of the checkpoints, and what they need of a machine. Best effort. */
static void look(struct cmd_condor *c, char **ret_needs)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    autotimeline struct bv_timeline t = {0};
    autofree unsigned *list = NULL;
    autogen struct bv_gen *gen = NULL;
    size_t n = 0;
    if (bv_store_open(c->store, 0, &store, NULL) < 0 || bv_job_open(&store, c->id, &job, NULL) < 0 ||
        bv_timeline_read(&job, &t, NULL) < 0 || bv_generation_list(&job, &list, &n, NULL) < 0)
        return;
    c->head.frozen_s = t.frozen_s > 0 ? t.frozen_s : 0;
    if (n == 0 || bv_gen_open(&job, list[n - 1], &gen, NULL) < 0)
        return;
    const json_t *host = json_object_get(bv_gen_content(gen), "host");
    const char *cpu = json_string_value(json_object_get(host, "cpu"));
    *ret_needs = cpu ? bv_cpu_missing(cpu, "") : NULL; /* those of them that matter */
}

static void tell_figures(const struct bv_condor_head *h, const char *needs)
{
    /* The first that cannot be told says that none can. */
    autofree char *cpu = bv_asprintf("%.3f", h->cpu_s);
    if (bv_condor_tell("BivouacCpuSeconds", cpu) < 0)
        return;
    tell_number("BivouacPeakMemoryKiB", (double)h->peak_kib);
    tell_number("BivouacCheckpoints", (double)h->checkpoints);
    tell_number("BivouacFrozenSeconds", h->frozen_s);
    if (needs) {
        autofree char *text = bv_condor_quote(needs);
        bv_condor_tell("BivouacCpuNeeds", text);
    }
}

static int carry(struct cmd_condor *c, int is_vacating)
{
    struct bv_error err = {0};
    autofree char *needs = NULL;
    look(c, &needs);
    c->head.checkpoints++;
    if (cmd_condor_carry(c, &err) < 0)
        return fail(c, &err, is_vacating);
    tell_figures(&c->head, needs);
    return BV_CHECKPOINTED;
}

/* Files that come back from the access point look as if nothing had touched them here, and would stay behind. */
static void touch_all(int boxfd)
{
    static const struct timespec now[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
    int fd = openat(boxfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.' && strncmp(e->d_name, "_condor", 7) != 0 &&
            fstatat(boxfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            utimensat(boxfd, e->d_name, now, AT_SYMLINK_NOFOLLOW);
}

static int end_as(struct cmd_condor *c, enum bv_condor_end end, int number)
{
    cmd_condor_clean(c);
    tell_figures(&c->head, NULL);
    return end == BV_CONDOR_SIGNALED ? cmd_die_of(number) : number;
}

/* A job that ends while it is told to go is run again, whatever its status. So that is what it is carried as. */
static int ended(struct cmd_condor *c, const struct cmd_condor_end *e)
{
    enum bv_condor_end end = e->outcome.how == BV_ENDED_EXIT ? BV_CONDOR_EXITED : BV_CONDOR_SIGNALED;
    if (!e->is_vacating)
        return end_as(c, end, e->outcome.number);
    c->head.end = end;
    c->head.number = e->outcome.number;
    return carry(c, 1);
}

static int finish(struct cmd_condor *c, const struct cmd_condor_end *e)
{
    struct bv_error err = {0};
    if (!e->is_known)
        bv_fail(&err, BV_EINTERNAL, 0, "the job's supervisor was killed");
    else if (e->is_failure)
        bv_fail(&err, e->code, 0, "%s", e->text);
    if (err.code) {
        /* HTCondor goes on from what it has. */
        return fail(c, &err, e->is_vacating);
    }
    if (e->outcome.how == BV_ENDED_EXIT || e->outcome.how == BV_ENDED_SIGNAL)
        return ended(c, e);
    return carry(c, e->is_vacating);
}

/* --- the beginning --- */

static int open_box(struct cmd_condor *c, struct bv_error *err)
{
    const char *named = getenv("_CONDOR_SCRATCH_DIR");
    c->box = realpath(named && *named ? named : ".", NULL);
    c->boxfd = c->box ? open(c->box, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (c->boxfd < 0)
        return bv_fail(err, BV_ENODIR, errno, "cannot open the sandbox %s", named && *named ? named : ".");
    c->store = c->job.store ? bv_asprintf("%s/%s", c->job.store, c->id) : bv_asprintf("%s/.bivouac", c->box);
    return bv_remove_tree(AT_FDCWD, c->store, err);
}

static int begin(struct cmd_condor *c, struct bv_error *err)
{
    struct bv_sched_job job = {0};
    c->job = (struct bv_condor_job){0};
    int is = bv_condor_job_read(&c->job, err);
    if (is == 0)
        return bv_fail(
            err, BV_EUSAGE, 0,
            "'bivouac condor run' is for jobs of HTCondor, and _CONDOR_JOB_AD names none: use 'bivouac run'");
    if (is < 0 || bv_condor_job_check(&c->job, err) < 0 || bv_sched_condor.detect(&job, err) < 0)
        return -1;
    snprintf(c->id, sizeof(c->id), "%s", job.id);
    return open_box(c, err);
}

static void release(struct cmd_condor *c)
{
    bv_condor_job_free(&c->job);
    close_fd(&c->boxfd);
    free(c->box);
    free(c->store);
}

/* Blocked from here on, so that nothing that comes is lost, and the file is always made. */
static int go(struct cmd_condor *c)
{
    struct bv_error err = {0};
    struct cmd_condor_end end;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (begin(c, &err) < 0 || cmd_condor_take(c, &err) < 0)
        return fail(c, &err, 0);
    if (c->head.end != BV_CONDOR_GOES_ON) {
        touch_all(c->boxfd);
        return end_as(c, c->head.end, c->head.number);
    }
    if (cmd_condor_attempt(c, &end, &err) < 0)
        return fail(c, &err, 0);
    return finish(c, &end);
}

static int run_job(char **options, char **command)
{
    struct cmd_condor c = {.boxfd = -1, .options = options, .command = command};
    int status = go(&c);
    release(&c);
    return status;
}

/* "[OPTION]... -- COMMAND..." */
static int run(char **words)
{
    char **command = words;
    while (*command && strcmp(*command, "--") != 0)
        command++;
    if (!*command || !command[1])
        return cmd_usage("condor", "run needs '-- COMMAND' behind its options");
    *command = NULL;
    return run_job(words, command + 1);
}

/* --- the administrator's --- */

static int features(void)
{
    struct bv_error err = {0};
    autofree char *flags = NULL;
    if (bv_cpu_flags(&flags, &err) < 0)
        return cmd_fail(&err, 0);
    autofree char *all = bv_cpu_missing(flags, "");
    printf("BivouacCpu = \"%s\"\n", all ? all : "");
    return 0;
}

int bv_condor_wrapper(int argc, char **argv)
{
    struct bv_error err = {0};
    char *none[] = {NULL};
    if (argc < 2)
        return cmd_usage("condor", "the wrapper needs a command");
    if (bv_condor_wants_restart())
        return run_job(none, argv + 1);
    execvp(argv[1], argv + 1);
    bv_fail(&err, errno == ENOENT ? BV_ENOCMD : BV_ENOEXEC, errno, "cannot run %s", argv[1]);
    return cmd_fail(&err, 0);
}

int bv_cmd_condor(int argc, char **argv)
{
    int status;
    const struct cmd_option options[] = {{0}};
    const char *what = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    if (what && strcmp(what, "run") == 0 && argc > 2 && strcmp(argv[2], "--help") != 0)
        return run(argv + 2);
    if (cmd_options(&syntax, options, argc - (what != NULL), argv + (what != NULL), &status) == CMD_DONE)
        return status;
    if (what && strcmp(what, "features") == 0 && argc == 2)
        return features();
    return cmd_usage("condor", "one of 'run [OPTION]... -- COMMAND' and 'features' is needed");
}
