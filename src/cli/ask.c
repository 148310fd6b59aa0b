/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "base/command.h"
#include "sched/sched.h"
#include "store/event.h"
#include "store/generation.h"

#define TIMEOUT_DEFAULT 3600.0 /* s; the supervisor's own */
#define REACH_TIME      180.0  /* s that a scheduler may take to start a command there */

static void free_list(char ***list)
{
    for (size_t i = 0; *list && (*list)[i]; i++)
        free((*list)[i]);
    free(*list);
}
#define autolist __attribute__((cleanup(free_list)))

static unsigned newest(const struct bv_job *job)
{
    autofree unsigned *list = NULL;
    size_t n = 0;
    return bv_generation_list(job, &list, &n, NULL) == 0 && n > 0 ? list[n - 1] : 0;
}

/* The answer may be lost when the job ends, and with it all that its scheduler has started there. What was committed is
 * in the history all the same. */
static int find_committed(const struct bv_job *job, unsigned before, json_t **ret)
{
    autojson json_t *events = NULL;
    if (newest(job) <= before || bv_event_read(job, &events, NULL) < 0)
        return 0;
    for (size_t i = json_array_size(events); i-- > 0;) {
        json_t *event = json_array_get(events, i);
        const char *what = json_string_value(json_object_get(event, "event"));
        if (what && strcmp(what, "checkpointed") == 0 &&
            json_integer_value(json_object_get(event, "generation")) > (json_int_t)before) {
            *ret = json_incref(event);
            json_object_set_new(event, "job", json_string(job->id));
            return 1;
        }
    }
    return 0;
}

/* What the command there has printed. */
static int take_answer(const struct bv_command_result *r, json_t **ret, struct bv_error *err)
{
    char complaint[512];
    struct bv_error none = {0};
    autojson json_t *answer = NULL;
    json_t *error = NULL;
    const char *begin = strchr(r->out, '{');
    if (begin && bv_json_parse(begin, strlen(begin), &answer, &none) == 0 && json_is_object(answer))
        error = json_object_get(answer, "error");
    if (r->status == 0 && answer && !error) {
        *ret = json_incref(answer);
        return 0;
    }
    autofree char *text = NULL;
    if (error && bv_json_get_bytes(error, "text", &text, NULL) == 0)
        return bv_fail(err, (enum bv_code)json_integer_value(json_object_get(error, "code")), 0, "%s", text);
    bv_command_complaint(r, complaint, sizeof(complaint));
    return bv_fail(err, BV_ENOTRUNNING, 0, "%s", complaint[0] ? complaint : "no answer came");
}

static int ask_there(const struct cmd_ask *a, const struct bv_sched *sched, const struct bv_store *store,
                     const struct bv_job *job, json_t **ret, struct bv_error *err)
{
    char self[PATH_MAX] = "";
    autolist char **argv = NULL;
    autocommand struct bv_command_result r = {0};
    unsigned before = newest(job);
    double timeout = a->timeout > 0 ? a->timeout : TIMEOUT_DEFAULT;
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot tell the path of this program");
    if (sched->reach(job->id, &argv, err) < 0)
        return -1;
    cmd_list_add(&argv, bv_strdup(self));
    cmd_list_add(&argv, bv_strdup("checkpoint"));
    cmd_list_add(&argv, bv_strdup("--json"));
    cmd_list_add(&argv, bv_asprintf("--store=%s", store->path));
    cmd_list_add(&argv, bv_asprintf("--timeout=%.0f", timeout));
    cmd_list_add(&argv, bv_asprintf("--reason=%s", a->reason));
    if (strcmp(a->leave, "dead") == 0)
        cmd_list_add(&argv, bv_strdup("--kill"));
    if (strcmp(a->leave, "stopped") == 0)
        cmd_list_add(&argv, bv_strdup("--stop"));
    cmd_list_add(&argv, bv_strdup(job->id));
    if (bv_command_run(argv[0], argv, timeout + REACH_TIME, &r, err) < 0)
        return -1;
    if (r.status != 0 && find_committed(job, before, ret))
        return 0;
    return take_answer(&r, ret, err) < 0 ? bv_wrap(err, "job %s, through %s", job->id, sched->name) : 0;
}

static int ask_here(const struct cmd_ask *a, const struct bv_job *job, const struct bv_attempt_info *last, json_t **ret,
                    struct bv_error *err)
{
    autojson json_t *request = json_pack("{s:s, s:s, s:f, s:s}", "op", "checkpoint", "leave", a->leave, "timeout",
                                         a->timeout, "reason", a->reason);
    /* The supervisor keeps the deadline; ours only catches a supervisor that hangs. */
    struct bv_client_call_options how = {
        .timeout = a->timeout > 0 ? a->timeout + 60 : 0, .progress = a->progress, .arg = a->arg};
    return bv_client_call(job->id, last, request, &how, ret, err);
}

int cmd_ask_checkpoint(const struct cmd_ask *a, json_t **ret, char ret_host[65], struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    struct bv_attempt_info last;
    unsigned generation;
    if (cmd_open_store(a->store, &store, err) < 0 || cmd_open_job(&store, a->job, &job, &generation, err) < 0)
        return -1;
    if (generation)
        return bv_fail(err, BV_EUSAGE, 0, "a checkpoint is made of a job, not of a generation: leave @%u away",
                       generation);
    int got = bv_attempt_last(&job, &last, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s is not running", job.id);
    const struct bv_sched *sched = last.alive && !last.here ? bv_sched_of(job.id) : NULL;
    int rc = sched && sched->reach ? ask_there(a, sched, &store, &job, ret, err) : ask_here(a, &job, &last, ret, err);
    if (rc == 0)
        snprintf(ret_host, 65, "%s", last.host.name);
    bv_attempt_info_free(&last);
    return rc;
}
