/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "sched/sched.h"

static const struct cmd_syntax syntax = {
    .name = "migrate",
    .usage = "[OPTION]... JOB",
    .text =
        "Let running JOB of a scheduler go on on another node: it is checkpointed and ended, requeued with that node, and\n"
        "restarted there. Returns when it runs again.\n",
};

struct migration {
    const char *store, *job, *to;
    double timeout;
    int json;
};

static const struct bv_sched *find_sched(const struct migration *m, struct bv_error *err)
{
    const struct bv_sched *sched = bv_sched_of(m->job);
    if (sched && sched->move)
        return sched;
    bv_fail(err, BV_EUSAGE, 0,
            "%s is no job of a scheduler that can be told to move it: checkpoint it with --kill, and run it again "
            "elsewhere",
            m->job);
    return NULL;
}

/* Wait for an attempt with a higher number than `before`. */
static int wait_for_attempt(const struct bv_job *job, unsigned before, struct bv_deadline deadline, char ret_host[65],
                            struct bv_error *err)
{
    while (!bv_deadline_passed(deadline)) {
        struct bv_attempt_info last;
        if (bv_attempt_last(job, &last, NULL) == 1) {
            int is = last.number > before;
            snprintf(ret_host, 65, "%s", last.host.name);
            bv_attempt_info_free(&last);
            if (is)
                return 0;
        }
        nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
    }
    return bv_fail(err, BV_ETIMEOUT, 0, "job %s is checkpointed and in the queue, but has not started again yet",
                   job->id);
}

static int migrate(const struct migration *m, json_t **ret, struct bv_error *err)
{
    const struct bv_sched *sched = find_sched(m, err);
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    autojson json_t *answer = NULL;
    struct bv_attempt_info last;
    unsigned generation;
    char from[65], to[65];
    struct bv_deadline deadline = bv_deadline_in(m->timeout);
    struct cmd_ask ask = {
        .store = m->store, .job = m->job, .leave = "dead", .reason = "migrate", .timeout = m->timeout};
    if (!sched || cmd_open_store(m->store, &store, err) < 0 || cmd_open_job(&store, m->job, &job, &generation, err) < 0)
        return -1;
    if (m->to && sched->may_move && sched->may_move(job.id, m->to, err) < 0)
        return -1;
    int got = bv_attempt_last(&job, &last, err);
    if (got < 0)
        return -1;
    unsigned before = got ? last.number : 0;
    if (got)
        bv_attempt_info_free(&last);
    if (cmd_ask_checkpoint(&ask, &answer, from, err) < 0)
        return -1;
    int64_t stopped = bv_clock_ns(CLOCK_MONOTONIC);
    if (sched->move(job.id, from, m->to, m->timeout, err) < 0 || wait_for_attempt(&job, before, deadline, to, err) < 0)
        return -1;
    double away = (double)(bv_clock_ns(CLOCK_MONOTONIC) - stopped) / BV_NSEC_PER_SEC;
    *ret = json_pack("{s:s, s:O*, s:s, s:s, s:f}", "job", job.id, "generation", json_object_get(answer, "generation"),
                     "from", from, "to", to, "away_s", away);
    return *ret ? 0 : bv_fail(err, BV_EPROTO, 0, "the name of a host is no text");
}

int bv_cmd_migrate(int argc, char **argv)
{
    struct bv_error err = {0};
    struct migration m = {.timeout = 3600};
    autojson json_t *result = NULL;
    int status;
    const struct cmd_option options[] = {
        {0, "to", "NODE", "where it is to go on (default: any other node)", .to = &m.to},
        {'t', "timeout", "TIME", "give up after that time (default: 1h)", .take = cmd_take_duration, .to = &m.timeout},
        CMD_STORE(&m.store),
        CMD_JSON(&m.json, "print the result as JSON"),
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc - optind != 1)
        return cmd_usage("migrate", "exactly one JOB is needed");
    m.job = argv[optind];
    if (migrate(&m, &result, &err) < 0)
        return cmd_fail(&err, m.json);
    if (m.json)
        cmd_print_json(result);
    else
        printf("%s@%d went from %s to %s, and was away for %.1f s\n", m.job,
               (int)json_integer_value(json_object_get(result, "generation")),
               json_string_value(json_object_get(result, "from")), json_string_value(json_object_get(result, "to")),
               json_number_value(json_object_get(result, "away_s")));
    return 0;
}
