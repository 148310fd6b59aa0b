/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/lsf/overrun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "sched/number.h"

#define STATE         ".bivouac-overrun"
#define LOCK          ".bivouac-overrun.lock"
#define FORMAT        "bivouac-lsf-overrun 1"
#define STATE_MAX     4096
#define LOCK_TIMEOUT  10 /* s; it is held for the moment of a change */
#define RESTARTS_MAX  1000000
#define RUN_LIMIT_MAX 100000000 /* min */

static const char *const names[] = {"none", "started", "checkpointed", "failed", "restarting", "restarted"};

static int is_yes(const char *value)
{
    return value && (*value == 'y' || *value == 'Y' || strcmp(value, "1") == 0);
}

static int number_of(const char *name, const char *value, unsigned long long max, unsigned long long *ret,
                     struct bv_error *err)
{
    if (!value || !*value || bv_sched_number(value, max, ret) == 0)
        return 0;
    return bv_fail(err, BV_EUSAGE, 0, "%s is '%.64s', which is no number up to %llu", name, value, max);
}

int bv_lsf_policy_read(const char *(*get)(void *arg, const char *name), void *arg, struct bv_lsf_policy *ret,
                       struct bv_error *err)
{
    unsigned long long limit = 2, timeout = 180;
    if (number_of("ORUN_RESTART_LIMIT", get(arg, "ORUN_RESTART_LIMIT"), RESTARTS_MAX, &limit, err) < 0 ||
        number_of("ORUN_TIMEOUT_SECONDS", get(arg, "ORUN_TIMEOUT_SECONDS"), 604800, &timeout, err) < 0)
        return -1;
    *ret = (struct bv_lsf_policy){
        .checkpoint = is_yes(get(arg, "ENABLE_ORUN_CHKPNT")),
        .restart = is_yes(get(arg, "ENABLE_ORUN_RESTART")),
        .limit = (unsigned)limit,
        .timeout = (double)timeout,
    };
    return 0;
}

enum bv_lsf_action bv_lsf_decide(const struct bv_lsf_situation *s)
{
    if (!s->at_run_limit || !s->our_method || !s->policy.checkpoint)
        return BV_LSF_END;
    if (s->policy.restart && s->overrun.restarts >= s->policy.limit)
        return BV_LSF_END;
    switch (s->overrun.state) {
    case BV_LSF_NONE:
        return BV_LSF_CHECKPOINT;
    case BV_LSF_STARTED: /* a clock that was set back does not give it more time than it has */
        return s->now >= s->overrun.at && (double)(s->now - s->overrun.at) < s->policy.timeout ? BV_LSF_WAIT
                                                                                               : BV_LSF_END;
    default: /* checkpointed and still here, or failed */
        return BV_LSF_END;
    }
}

int bv_lsf_overrun_lock(const struct bv_lsf_place *p, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(LOCK_TIMEOUT);
    autoclose int fd = openat(p->dirfd, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot open %s/" LOCK, p->path);
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return bv_fail(err, BV_ESTORE, errno, "cannot lock %s/" LOCK, p->path);
        if (bv_deadline_passed(deadline))
            return bv_fail(err, BV_ETIMEOUT, 0, "%s/" LOCK " is locked by another process", p->path);
        usleep(20000);
    }
    return steal_fd(&fd);
}

int bv_lsf_overrun_parse(const char *text, size_t size, struct bv_lsf_overrun *ret, struct bv_error *err)
{
    autojson json_t *all = NULL;
    const char *format, *state, *id;
    uint64_t restarts, run_limit, next;
    struct bv_lsf_overrun o = {0};
    if (bv_json_parse(text, size, &all, err) < 0 || bv_json_str(all, "format", &format, err) < 0 ||
        bv_json_str(all, "state", &state, err) < 0 || bv_json_str(all, "id", &id, err) < 0 ||
        bv_json_i64(all, "at", &o.at, err) < 0 || bv_json_u64(all, "restarts", RESTARTS_MAX, &restarts, err) < 0 ||
        bv_json_u64(all, "run_limit", RUN_LIMIT_MAX, &run_limit, err) < 0 ||
        bv_json_u64(all, "next", INT64_MAX, &next, err) < 0)
        return -1;
    size_t i = 0;
    while (i < sizeof(names) / sizeof(names[0]) && strcmp(names[i], state) != 0)
        i++;
    if (strcmp(format, FORMAT) != 0 || i == sizeof(names) / sizeof(names[0]) || o.at < 0 ||
        bv_lsf_id_parse(id, &o.id, NULL) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "\"format\", \"state\", \"at\" or \"id\" is not valid");
    o.state = (enum bv_lsf_overrun_state)i;
    o.restarts = (unsigned)restarts;
    o.run_limit = (unsigned)run_limit;
    o.next = next;
    *ret = o;
    return 0;
}

static unsigned restarts_after(const struct bv_lsf_overrun *o)
{
    return o->restarts + (o->state >= BV_LSF_RESTARTING);
}

int bv_lsf_overrun_read(const struct bv_lsf_place *p, struct bv_lsf_id id, struct bv_lsf_overrun *ret,
                        struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size;
    struct bv_error e = {0};
    struct bv_lsf_overrun o = {.id = id};
    if (bv_read_file(p->dirfd, STATE, STATE_MAX, &text, &size, &e) < 0) {
        if (e.code != BV_ENOJOB)
            return bv_fail(err, e.code, 0, "%s", e.text);
        *ret = o;
        return 0;
    }
    if (bv_lsf_overrun_parse(text, size, &o, err) < 0)
        return bv_wrap(err, "%s/" STATE, p->path);
    if (o.id.job != id.job || o.id.index != id.index)
        o = (struct bv_lsf_overrun){.id = id, .restarts = restarts_after(&o)};
    *ret = o;
    return 0;
}

int bv_lsf_overrun_write(const struct bv_lsf_place *p, const struct bv_lsf_overrun *o, struct bv_error *err)
{
    char id[BV_LSF_ID_TEXT];
    autojson json_t *all = json_object();
    bv_lsf_id_text(o->id, id);
    bv_json_set(all, "format", json_string(FORMAT));
    bv_json_set(all, "state", json_string(names[o->state]));
    bv_json_set(all, "id", json_string(id));
    bv_json_set(all, "at", json_integer(o->at));
    bv_json_set(all, "restarts", json_integer(o->restarts));
    bv_json_set(all, "run_limit", json_integer(o->run_limit));
    bv_json_set(all, "next", json_integer((json_int_t)o->next));
    autofree char *canonical = bv_json_canonical(all);
    autofree char *text = bv_asprintf("%s\n", canonical);
    return bv_publish(p->dirfd, STATE, text, strlen(text), 1, err);
}

void bv_lsf_overrun_begin(const struct bv_lsf_place *p)
{
    struct bv_error err = {0};
    struct bv_lsf_id id;
    struct bv_lsf_overrun o;
    if (bv_lsf_job(&id, NULL) <= 0 || faccessat(p->dirfd, STATE, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    autoclose int lock = bv_lsf_overrun_lock(p, &err);
    if (lock < 0 || bv_lsf_overrun_read(p, id, &o, &err) < 0) {
        bv_lsf_log(p, "run", "%s", err.text);
        return;
    }
    if (o.state == BV_LSF_NONE)
        return;
    o = (struct bv_lsf_overrun){.id = id, .restarts = restarts_after(&o)};
    if (bv_lsf_overrun_write(p, &o, &err) < 0)
        bv_lsf_log(p, "run", "%s", err.text);
}

int bv_lsf_overrun_is(const struct bv_lsf_place *p, enum bv_lsf_overrun_state state)
{
    struct bv_lsf_id id;
    struct bv_lsf_overrun o;
    return bv_lsf_job(&id, NULL) > 0 && bv_lsf_overrun_read(p, id, &o, NULL) == 0 && o.state == state;
}

void bv_lsf_overrun_checkpointed(const struct bv_lsf_place *p, int ok, const char *text)
{
    struct bv_error err = {0};
    struct bv_lsf_id id;
    struct bv_lsf_overrun o;
    autoclose int lock = bv_lsf_overrun_lock(p, &err);
    if (lock < 0 || bv_lsf_job(&id, &err) <= 0 || bv_lsf_overrun_read(p, id, &o, &err) < 0) {
        bv_lsf_log(p, "echkpnt", "cannot tell the hooks of the checkpoint: %s", err.text);
        return;
    }
    if (o.state != BV_LSF_STARTED)
        return; /* the hook has given up meanwhile */
    o.state = ok ? BV_LSF_CHECKPOINTED : BV_LSF_FAILED;
    if (bv_lsf_overrun_write(p, &o, &err) < 0)
        bv_lsf_log(p, "echkpnt", "cannot tell the hooks of the checkpoint: %s", err.text);
    if (!ok)
        bv_lsf_log(p, "echkpnt", "the job at its run limit could not be saved: %s", text);
}
