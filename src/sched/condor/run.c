/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/condor/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sched/condor/ad.h"
#include "sched/condor/report.h"
#include "sched/condor/sandbox.h"
#include "store/generation.h"

#define MARGIN_PART 0.25 /* of the window, for what comes behind the last checkpoint */
#define MARGIN_MOST 60.0 /* s */
#define DISK_LEAST  (1u << 20)
#define KILL_LATE   60.0 /* s that HTCondor may be late with it */

/* --- settings --- */

int bv_condor_is_wanted(void)
{
    autoad struct bv_condor_ad ad = {0};
    const char *path = getenv("_CONDOR_JOB_AD");
    int wanted = 0;
    if (path && *path && bv_condor_ad_read(path, &ad, NULL) == 0)
        bv_condor_ad_bool(&ad, "checkpoint_restart", &wanted);
    return wanted;
}

static enum bv_layer layer_of(const struct bv_settings *s, const char *key)
{
    return s->source[bv_setting_find(key) - bv_setting_table].layer;
}

static int set(struct bv_settings *s, const char *key, const char *text, const char *where, struct bv_error *err)
{
    return bv_settings_set(s, bv_setting_find(key), text, BV_LAYER_JOB_FILE, where, err);
}

int bv_condor_settings_before(const struct bv_condor_job *j, struct bv_settings *s, struct bv_error *err)
{
    if ((j->network && set(s, "network", j->network, "the job's ad", err) < 0) ||
        (j->store && set(s, "store", j->store, "the job's ad", err) < 0)) {
        err->code = BV_EBLOCKED; /* the job is held, as for what else is wrong with it */
        return -1;
    }
    return 0;
}

/* What a user has asked for has room for the sandbox and for the store in it. Who has asked for nothing has got what
 * the inputs take, which nobody holds a job to. */
static void limit_store(const struct bv_condor_job *j, struct bv_settings *s)
{
    uint64_t used = bv_condor_sandbox_bytes(j);
    if (j->disk <= used + DISK_LEAST || layer_of(s, "quota-job") != BV_LAYER_DEFAULT)
        return;
    s->quota_job = j->disk - used;
    s->quota_job_name = "what request_disk leaves beside the job's files";
}

int bv_condor_settings_behind(const struct bv_condor_job *j, struct bv_settings *s, struct bv_error *err)
{
    double margin = j->window * MARGIN_PART;
    if (layer_of(s, "store") < BV_LAYER_JOB_FILE) {
        if (mkdirat(j->sandbox_fd, BV_CONDOR_DIR, 0700) < 0 && errno != EEXIST)
            return bv_fail(err, bv_store_code(errno), errno, "cannot create " BV_CONDOR_DIR " in the sandbox");
        free(s->store);
        s->store = bv_asprintf("%s/" BV_CONDOR_DIR "/store", j->sandbox);
        limit_store(j, s);
    }
    if (layer_of(s, "every") == BV_LAYER_DEFAULT)
        s->every = j->interval;
    if (layer_of(s, "on-signal") == BV_LAYER_DEFAULT)
        s->on_signal.of[j->leave_signal] = BV_SIGNAL_CHECKPOINT_AND_STOP;
    if (layer_of(s, "grace") == BV_LAYER_DEFAULT)
        s->grace = j->window - (margin < MARGIN_MOST ? margin : MARGIN_MOST);
    if (layer_of(s, "capture-limit") == BV_LAYER_DEFAULT)
        s->capture_limit = INT64_MAX; /* nothing of the sandbox is there on the next machine */
    s->requeue_exit = BV_CHECKPOINTED;
    return 0;
}

static void add(char ***list, char *string)
{
    size_t n = 0;
    while (*list && (*list)[n])
        n++;
    *list = bv_realloc(*list, n + 2, sizeof(**list));
    (*list)[n] = string;
    (*list)[n + 1] = NULL;
}

/* Our own program may have come with the job: it need not be carried. */
static char *own_program(const struct bv_condor_job *j)
{
    autofree char *path = realpath("/proc/self/exe", NULL);
    size_t n = strlen(j->sandbox);
    int inside = path && strncmp(path, j->sandbox, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
    return inside ? bv_strdup(path + n + 1) : NULL;
}

void bv_condor_spec(const struct bv_condor_job *j, struct bv_spec *spec)
{
    char *own = own_program(j);
    free(spec->cwd);
    spec->cwd = bv_strdup(j->sandbox);
    add(&spec->capture, bv_strdup(j->sandbox));
    for (size_t i = 0; bv_condor_globs[i]; i++)
        add(&spec->no_capture, bv_strdup(bv_condor_globs[i]));
    if (own)
        add(&spec->no_capture, own);
}

/* --- signals --- */

static volatile sig_atomic_t is_told;

static void on_signal(int number)
{
    (void)number;
    is_told = 1;
}

/* While the supervisor works it takes all signals by itself. Before and behind, the one that asks to leave must not end
 * us: a half of a file would be carried away. */
static void catch_signals(const struct bv_condor_job *j)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(j->leave_signal, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* --- the end of a visit --- */

struct visit {
    const struct bv_condor_job *j;
    struct bv_store store;
    struct bv_condor_report report;
    int has_checkpoint;
};

static void look_at_job(struct visit *v)
{
    autojob struct bv_job job = {.dirfd = -1};
    autofree unsigned *list = NULL;
    size_t n = 0;
    if (bv_job_open(&v->store, v->j->name.id, &job, NULL) < 0)
        return;
    v->has_checkpoint = bv_generation_list(&job, &list, &n, NULL) == 0 && n > 0;
    bv_condor_report_read(&job, &v->report);
}

/* To go on elsewhere, from the newest checkpoint; or from the beginning, if there has never been one. */
static int leave(struct visit *v, struct bv_error *err)
{
    int rc = v->has_checkpoint ? bv_condor_leave(v->j, &v->store, err) : bv_condor_leave_nothing(v->j, err);
    if (rc == 0)
        bv_condor_report_send(&v->report);
    return rc;
}

/* The program has ended. Whoever has been asked to leave is started again whatever its status is, so that is told by
 * the file then; and by the file too where it has to be there anyway. */
static void conclude(struct visit *v, struct bv_outcome end)
{
    struct bv_error e = {0};
    int told = is_told || end.was_stopping;
    if (!told && !v->j->is_listed) {
        unlinkat(v->j->sandbox_fd, BV_CONDOR_FILE, 0);
    } else if (bv_condor_leave_end(v->j, end, told, &e) < 0) {
        bv_warn("how the job has ended cannot be kept: %s%s", e.text,
                told ? "; it goes on from its last checkpoint, and ends again" : "");
        if (told && v->has_checkpoint)
            bv_condor_leave(v->j, &v->store, NULL);
    }
    if (end.how == BV_ENDED_EXIT)
        bv_condor_report_end(end.number);
}

/* Of what was in the sandbox when a visit began, HTCondor carries only what has changed since, in whole seconds; and
 * what the program says may all have been said before. */
static void touch_outputs(const struct bv_condor_job *j, time_t begun)
{
    static const char *const outputs[] = {"_condor_stdout", "_condor_stderr"};
    time_t now = time(NULL);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = now > begun ? now : begun + 1}};
    for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
        utimensat(j->sandbox_fd, outputs[i], times, AT_SYMLINK_NOFOLLOW);
}

static int arrive(struct visit *v, struct bv_supervise_options *o, struct bv_condor_arrival *ret, struct bv_error *err)
{
    if (bv_store_open(o->settings->store, 1, &v->store, err) < 0)
        return -1;
    /* What a shared store has of a visit that was cut short is of no use beside what HTCondor has brought. */
    struct stat st;
    if (fstatat(v->j->sandbox_fd, BV_CONDOR_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
        bv_job_delete(&v->store, v->j->name.id, NULL);
    if (bv_condor_arrive(v->j, &v->store, ret, err) < 0)
        return -1;
    if (ret->damage.code)
        bv_warn("the checkpoint of job %s was damaged on its way (%s): what is left of it is used", v->j->name.id,
                ret->damage.text);
    return 0;
}

static int visit(struct visit *v, struct bv_supervise_options *o, struct bv_outcome *ret, struct bv_error *err)
{
    struct bv_condor_arrival a = {0};
    if (arrive(v, o, &a, err) < 0)
        return -1;
    if (a.is_ended) {
        *ret = a.end;
        conclude(v, a.end);
        return 0;
    }
    o->job_id = v->j->name.id;
    o->chdir = v->j->sandbox;
    o->each_ends = 1;
    o->keep_times = 1;
    if (a.is_job) {
        o->spec = NULL;
        o->restart_only = o->settings->on_bad_checkpoint == BV_ON_BAD_FAIL;
    }
    if (!a.is_job && v->j->was_uploaded && o->settings->on_bad_checkpoint == BV_ON_BAD_FAIL)
        return bv_fail(err, BV_ENOCKPT, 0,
                       "HTCondor has got a checkpoint of the job, but " BV_CONDOR_FILE
                       " has not come with it; nothing was started");
    struct bv_outcome end = {.how = BV_ENDED_STOPPED};
    int rc = is_told ? 0 : bv_supervise(o, &end, err);
    *ret = end;
    look_at_job(v);
    if (rc < 0) { /* HTCondor may yet carry away what is here */
        if (v->has_checkpoint)
            bv_condor_leave(v->j, &v->store, NULL);
        return -1;
    }
    if (end.how == BV_ENDED_CHECKPOINTED || end.how == BV_ENDED_STOPPED)
        return leave(v, err);
    conclude(v, end);
    bv_condor_report_send(&v->report);
    /* A store of the user's own would keep it for ever, on a machine that the job may never see again. */
    bv_job_delete(&v->store, v->j->name.id, NULL);
    return 0;
}

/* At an eviction HTCondor takes whatever is here for the newest, also that there is nothing; but of a job that it has
 * to kill it takes nothing, and keeps what it had. */
static void wait_to_be_killed(const struct bv_condor_job *j)
{
    struct bv_deadline deadline = bv_deadline_in(j->window + KILL_LATE);
    bv_warn(
        "the job has nothing to leave with: it waits to be killed, so that HTCondor keeps the checkpoint that it has");
    while (!bv_deadline_passed(deadline))
        nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
}

static int has_file(const struct bv_condor_job *j)
{
    struct stat st;
    return fstatat(j->sandbox_fd, BV_CONDOR_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int bv_condor_run(const struct bv_condor_job *j, struct bv_supervise_options *o, struct bv_outcome *ret,
                  struct bv_error *err)
{
    struct visit v = {.j = j, .store = {.dirfd = -1, .jobsfd = -1}};
    struct bv_error e = {0};
    time_t begun = time(NULL);
    catch_signals(j);
    int rc = visit(&v, o, ret, &e);
    touch_outputs(j, begun);
    if (rc < 0)
        bv_condor_report_failure(&e);
    if (rc < 0 && (is_told || ret->was_stopping) && !has_file(j)) {
        bv_warn("%s", e.text);
        wait_to_be_killed(j);
    }
    bv_condor_report_free(&v.report);
    bv_store_close(&v.store);
    return rc < 0 ? bv_fail(err, e.code, 0, "%s", e.text) : 0;
}
