/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "proc/host.h"
#include "sched/lsf/args.h"
#include "sched/lsf/methods.h"
#include "sched/lsf/overrun.h"
#include "sched/lsf/place.h"
#include "sched/lsf/signals.h"
#include "sched/supervised.h"
#include "store/generation.h"

#define WHO         "echkpnt"
#define TIMEOUT     3600 /* s for a checkpoint */
#define END_TIMEOUT 20   /* s for a killed process group to be gone */
#define STORM_AGE   300  /* s, see is_storm() */
#define STORM_NAP   2    /* s */
#define SUFFIX      ".tmp"

struct method {
    int argc;
    char **argv;
    struct bv_lsf_echkpnt_args args;
    struct bv_lsf_place place;
    struct bv_store store;
    struct bv_job job;
    struct bv_attempt_info attempt;
};

/* --- where --- */

/* The directory of the job is that of -d without ".tmp". It is relative to the working directory; LSB_CHKPNT_DIR may be
 * relative to another one, and is of use only if it is absolute and -d is missing. */
static int find_dir(const struct method *m, char **ret, struct bv_error *err)
{
    const char *dir = m->args.dir, *fallback = getenv("LSB_CHKPNT_DIR");
    if (!dir && fallback && fallback[0] == '/') {
        *ret = bv_strdup(fallback);
        return 0;
    }
    size_t n = dir ? strlen(dir) : 0, suffix = strlen(SUFFIX);
    if (n <= suffix || strcmp(dir + n - suffix, SUFFIX) != 0)
        return bv_fail(err, BV_EUSAGE, 0, "-d is needed, and must name a directory that ends in %s", SUFFIX);
    autofree char *path = bv_strndup(dir, n - suffix);
    const char *slash = strrchr(path, '/');
    if (!bv_is_component(slash ? slash + 1 : path))
        return bv_fail(err, BV_EUSAGE, 0, "-d %s names no directory of a job", dir);
    *ret = steal_ptr(&path);
    return 0;
}

/* The name of the directory and the environment must tell of the same job. A name that is no job id is LSF's affair:
 * how the directories of array elements are called is not documented. */
static int check_id(const char *dir, struct bv_error *err)
{
    struct bv_lsf_id here, there;
    const char *slash = strrchr(dir, '/');
    int got = bv_lsf_job(&here, err);
    if (got <= 0)
        return got;
    if (bv_lsf_id_parse(slash ? slash + 1 : dir, &there, NULL) == 0 &&
        (here.job != there.job || (there.index && here.index != there.index)))
        return bv_fail(err, BV_EUSAGE, 0, "-d is the directory of job %llu[%u], but LSB_JOBID names %llu[%u]",
                       there.job, there.index, here.job, here.index);
    return 0;
}

static int find_job(struct method *m, struct bv_error *err)
{
    if (bv_lsf_place_read(&m->place, err) < 0 || bv_lsf_place_job(&m->place, &m->store, &m->job, err) < 0)
        return -1;
    return bv_supervised_find(&m->job, m->args.pgid, &m->attempt, err);
}

/* --- the checkpoint --- */

/* "bchkpnt" without -p on a job without a period makes LSF ask again as soon as it has an answer, for as long as the
 * job lives; the period then is -1. One checkpoint in a while is enough. Returns whether there is a young one. */
static int is_storm(const struct method *m)
{
    const char *period = getenv("LSB_CHKPNT_PERIOD");
    autofree unsigned *list = NULL;
    autogen struct bv_gen *g = NULL;
    struct stat st;
    char name[PATH_MAX];
    size_t n = 0;
    if (!period || strcmp(period, "-1") != 0 || m->args.kill || m->args.stop ||
        bv_generation_list(&m->job, &list, &n, NULL) < 0 || n == 0)
        return 0;
    snprintf(name, sizeof(name), "%06u/manifest", list[n - 1]);
    return fstatat(m->job.dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - st.st_mtime < STORM_AGE &&
           bv_gen_open(&m->job, list[n - 1], &g, NULL) == 0;
}

static int ask(const struct method *m, const char *reason, json_t **ret, struct bv_error *err)
{
    const char *leave = m->args.kill ? "dead" : m->args.stop ? "stopped" : "running";
    autojson json_t *request =
        json_pack("{s:s, s:s, s:i, s:s}", "op", "checkpoint", "leave", leave, "timeout", TIMEOUT, "reason", reason);
    if (m->args.kill)
        bv_json_set(request, "group", json_integer(m->args.pgid));
    return bv_supervised_checkpoint(&m->job, &m->attempt, request, TIMEOUT, ret, err);
}

/* The supervisor kills the group itself, so that it happens although we may be killed. This only makes sure. */
static int wait_for_end(const struct method *m, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(END_TIMEOUT);
    while (bv_process_is(m->attempt.pid, m->attempt.start_time)) {
        if (bv_deadline_passed(deadline))
            return bv_fail(err, BV_ETIMEOUT, 0, "process group %d does not end", (int)m->args.pgid);
        usleep(20000);
    }
    if (kill(-m->args.pgid, SIGKILL) < 0 && errno != ESRCH)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot kill process group %d", (int)m->args.pgid);
    return 0;
}

/* The one flat file for LSF to publish. It tells people where to look; Bivouac does not read it. */
static void leave_word(const struct method *m, const json_t *result)
{
    autojson json_t *word = json_object();
    bv_json_set(word, "format", json_string("bivouac-lsf 1"));
    bv_json_set(word, "job", json_string(m->job.id));
    bv_json_set(word, "generation", json_incref(json_object_get(result, "generation")));
    autofree char *canonical = bv_json_canonical(word);
    autofree char *text = bv_asprintf("%s\n", canonical);
    autoclose int dirfd = m->args.dir ? open(m->args.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    /* An LSF that has made no ID.tmp has no use for it; the checkpoint is in the store. */
    if (dirfd >= 0 && bv_publish(dirfd, "bivouac.checkpoint", text, strlen(text), 1, NULL) < 0)
        bv_lsf_log(&m->place, WHO, "cannot leave a word in %s", m->args.dir);
}

static int checkpoint(struct method *m, struct bv_error *err)
{
    autojson json_t *result = NULL;
    if (find_job(m, err) < 0)
        return -1;
    bv_fault_point("lsf-echkpnt-begin");
    if (is_storm(m)) {
        sleep(STORM_NAP);
        return 0;
    }
    int overrun = m->args.kill && bv_lsf_overrun_is(&m->place, BV_LSF_STARTED);
    int rc = ask(m, overrun ? "overrun" : "lsf", &result, err);
    bv_fault_point("lsf-echkpnt-asked");
    unsigned generation = rc == 0 ? (unsigned)json_integer_value(json_object_get(result, "generation")) : 0;
    if (overrun)
        bv_lsf_overrun_checkpointed(&m->place, rc == 0, rc == 0 ? NULL : err->text);
    bv_fault_point("lsf-echkpnt-told");
    if (rc < 0)
        return -1;
    leave_word(m, result);
    bv_fault_point("lsf-echkpnt-left");
    bv_lsf_log(&m->place, WHO, "job %s: checkpoint %u%s", m->job.id, generation,
               m->args.kill   ? ", and killed"
               : m->args.stop ? ", and stopped"
                              : "");
    return m->args.kill ? wait_for_end(m, err) : 0;
}

static int work(void *arg)
{
    struct method *m = arg;
    struct bv_error err = {0};
    autofree char *dir = NULL;
    bv_lsf_reset_signals();
    m->place.dirfd = m->store.dirfd = m->store.jobsfd = m->job.dirfd = -1;
    if (bv_lsf_echkpnt_parse(m->argc, m->argv, &m->args, &err) < 0 || find_dir(m, &dir, &err) < 0 ||
        check_id(dir, &err) < 0 || bv_lsf_place_open(dir, &m->place, &err) < 0)
        return err.code;
    int rc = checkpoint(m, &err);
    if (rc < 0)
        bv_lsf_log(&m->place, WHO, "failed: %s", err.text);
    bv_attempt_info_free(&m->attempt);
    bv_job_close(&m->job);
    bv_store_close(&m->store);
    bv_lsf_place_close(&m->place);
    return rc < 0 ? (int)err.code : 0;
}

int bv_lsf_echkpnt(int argc, char **argv)
{
    struct method m = {.argc = argc, .argv = argv};
    return bv_lsf_in_child(work, &m);
}
