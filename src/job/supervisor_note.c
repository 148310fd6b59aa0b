/* SPDX-License-Identifier: Apache-2.0 */
/* What a supervisor writes into the history of its job (doc/format/events.md). A line that cannot be written is no
 * reason to end the job. */
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "job/supervisor_private.h"

#define COMMAND_MAX (32u << 10) /* bytes of a command that are told; the record has all of it */

static void add_scheduler(const struct supervisor *s, json_t *fields)
{
    const struct bv_supervise_options *o = s->options;
    if (!o->scheduler || !o->scheduler_job)
        return;
    bv_json_set(fields, "scheduler", bv_json_bytes(o->scheduler));
    bv_json_set(fields, "scheduler_job", bv_json_bytes(o->scheduler_job));
}

void note_submitted(const struct supervisor *s)
{
    size_t size = 0;
    const struct passwd *user = getpwuid(geteuid());
    autojson json_t *fields = json_object();
    json_t *command = json_array();
    char *const *arg = s->options->spec->argv;
    for (; *arg && (size += strlen(*arg)) <= COMMAND_MAX; arg++)
        bv_json_append(command, bv_json_bytes(*arg));
    bv_json_set(fields, "command", command);
    if (*arg)
        bv_json_set(fields, "cut", json_true());
    json_t *environment = json_array();
    char *const *variable = s->options->spec->environment;
    for (; variable && *variable && (size += strlen(*variable)) <= COMMAND_MAX; variable++)
        bv_json_append(environment, bv_json_bytes(*variable));
    bv_json_set(fields, "environment", environment);
    if (user)
        bv_json_set(fields, "user", bv_json_bytes(user->pw_name));
    add_scheduler(s, fields);
    bv_event_append(&s->job, "submitted", 0, fields, NULL);
}

void note_started(const struct supervisor *s, const struct restart *r)
{
    autojson json_t *fields = json_object();
    bv_json_set(fields, "pid", json_integer(getpid()));
    if (r->generation) {
        bv_json_set(fields, "generation", json_integer(r->generation));
        bv_json_set(fields, "restore_s", json_real((double)(bv_clock_ns(CLOCK_MONOTONIC) - s->claimed_ns) / 1e9));
    }
    add_scheduler(s, fields);
    bv_json_set(fields, "retention", bv_retention_json(&s->retention));
    bv_event_append(&s->job, r->generation ? "restarted" : "started", s->attempt.number, fields, NULL);
}

void note_checkpointed(const struct supervisor *s, const json_t *result)
{
    autojson json_t *fields = json_copy((json_t *)result);
    json_object_del(fields, "job");
    json_object_del(fields, "reason");
    bv_json_set(fields, "why", bv_json_bytes(s->checkpoint.reason));
    bv_event_append(&s->job, "checkpointed", s->attempt.number, fields, NULL);
}

void note_ended(const struct supervisor *s, const json_t *outcome)
{
    struct rusage used;
    autojson json_t *fields = json_copy((json_t *)outcome);
    if (getrusage(RUSAGE_CHILDREN, &used) == 0)
        bv_json_set(fields, "cpu_s",
                    json_real((double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                              (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6));
    bv_event_append(&s->job, "ended", s->attempt.number, fields, NULL);
}
