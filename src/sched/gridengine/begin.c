/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "job/spec.h"
#include "sched/gridengine/start.h"
#include "store/attempt.h"
#include "store/pin.h"
#include "store/script.h"

#define WHY_ANOTHER "an older job had this name, and has ended"
#define WHY_AGAIN   "its exit status asked Grid Engine to run it again"
#define WHY_UNBORN  "it was never started"

/* How the last attempt of a job has ended. */
struct ending {
    int begun;  /* there was one */
    int itself; /* the job's own end */
    int exited; /* with status `number` */
    int number;
};

static int read_ending(const struct bv_job *job, struct ending *ret, struct bv_error *err)
{
    struct bv_attempt_info last;
    int got = bv_attempt_last(job, &last, err);
    *ret = (struct ending){0};
    if (got <= 0)
        return got;
    const char *status = json_string_value(json_object_get(last.outcome, "status"));
    ret->begun = 1;
    ret->exited = last.ended && status && strcmp(status, "exited") == 0;
    ret->itself = ret->exited || (last.ended && status && strcmp(status, "signaled") == 0);
    ret->number = (int)json_integer_value(json_object_get(last.outcome, "number"));
    bv_attempt_info_free(&last);
    return 0;
}

static int same_text(const struct bv_store *s, const struct bv_job *job, const char *script)
{
    autofree char *kept = bv_script_path(s, job->id), *a = NULL, *b = NULL;
    size_t na, nb;
    return bv_read_file(AT_FDCWD, kept, BV_SCRIPT_MAX, &a, &na, NULL) == 0 &&
           bv_read_file(AT_FDCWD, script, BV_SCRIPT_MAX, &b, &nb, NULL) == 0 && na == nb && memcmp(a, b, na) == 0;
}

/* The script's own path differs from host to host; what is in it does not. */
static int same_command(const struct bv_gridengine_begin *b, const struct bv_store *s, const struct bv_job *job,
                        char *const *recorded)
{
    int i = 0;
    for (; b->words[i] && recorded[i]; i++)
        if (i != b->script && strcmp(b->words[i], recorded[i]) != 0)
            return 0;
    return !b->words[i] && !recorded[i] && (b->script < 0 || same_text(s, job, b->words[b->script]));
}

/* TMPDIR of the first start has the name of the queue in it, and Grid Engine removes it at each end: the checkpoint
 * has what was in there, and puts it back. */
static void make_directories(const struct bv_spec *spec)
{
    for (size_t i = 0; spec->capture && spec->capture[i]; i++)
        if (mkdir(spec->capture[i], 0700) < 0 && errno != EEXIST)
            return; /* the restart says so, if it matters */
}

static int forget(struct bv_store *s, const struct bv_job *job, struct bv_error *err)
{
    if (bv_pin_any(job))
        return bv_fail(err, BV_EBUSY, 0, "the store has an older job %s, of which a checkpoint is pinned: unpin it",
                       job->id);
    return bv_job_delete(s, job->id, err);
}

static int look(const struct bv_gridengine_begin *b, struct bv_store *s, const struct bv_job *job, const char **ret_why,
                struct bv_error *err)
{
    struct ending end;
    autojson json_t *record = NULL;
    autospec struct bv_spec spec = {0};
    if (bv_job_record(job, &record, err) < 0 || bv_spec_parse(record, &spec, err) < 0 ||
        read_ending(job, &end, err) < 0)
        return -1;
    int same = same_command(b, s, job, spec.argv);
    int asked = same && end.exited && (end.number == BV_GRIDENGINE_AGAIN || end.number == BV_GRIDENGINE_HOLD);
    if (!end.begun || asked || (end.itself && (!same || !b->restarted))) {
        *ret_why = !end.begun ? WHY_UNBORN : asked ? WHY_AGAIN : WHY_ANOTHER;
        return forget(s, job, err) < 0 ? -1 : BV_GRIDENGINE_NEW;
    }
    if (!same)
        return bv_fail(err, BV_EBUSY, 0,
                       "the store %s has a job %s with another script or command, which has not ended: if it is one of "
                       "an earlier installation of Grid Engine, remove it (bivouac delete --force %s)",
                       b->store, b->id, b->id);
    make_directories(&spec);
    return BV_GRIDENGINE_GOES_ON;
}

int bv_gridengine_begin(const struct bv_gridengine_begin *b, const char **ret_why, struct bv_error *err)
{
    autostore struct bv_store s = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    struct bv_error e = {0};
    *ret_why = NULL;
    if (bv_store_open(b->store, 1, &s, err) < 0)
        return -1;
    if (bv_job_open(&s, b->id, &job, &e) < 0)
        return e.code == BV_ENOJOB ? BV_GRIDENGINE_NEW : bv_fail(err, e.code, 0, "%s", e.text);
    return look(b, &s, &job, ret_why, err);
}
