/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/history_text.h"
#include "cli/options.h"
#include "cli/summary.h"
#include "job/timeline.h"

static const struct cmd_syntax syntax = {
    .name = "history",
    .usage = "[OPTION]... JOB",
    .text = "Tell what became of a job, over all its attempts, hosts and jobs of a scheduler: when it was started,\n"
            "checkpointed, restarted and ended, how much of its work was lost, and how much was saved.\n",
};

#define FOLLOW_MS 500

struct request {
    const char *store, *ref;
    int follow, json;
};

static int print_json(const struct bv_job *job, const struct bv_timeline *t, struct bv_error *err)
{
    autostate struct cmd_job_state state = {0};
    if (cmd_job_state(job, &state, err) < 0)
        return -1;
    autojson json_t *all = bv_timeline_json(t);
    bv_json_set(all, "job", json_string(job->id));
    bv_json_set(all, "state", json_string(cmd_state_name(state.state)));
    bv_json_set(all, "events", json_incref(t->events));
    cmd_print_json(all);
    return 0;
}

/* Print the lines behind the first `*printed`. */
static void print_lines(const struct bv_timeline *t, size_t *printed)
{
    char **line = NULL;
    size_t count = 0;
    history_lines(t, &line, &count);
    for (size_t i = *printed; i < count; i++)
        puts(line[i]);
    fflush(stdout);
    *printed = count;
    history_lines_free(line, count);
}

/* Has it come to an end by itself? What was only checkpointed, or lost, may go on. */
static int is_over(const struct bv_timeline *t)
{
    const struct bv_timeline_attempt *last = t->attempts ? &t->attempt[t->attempts - 1] : NULL;
    return last && (last->end == BV_ATTEMPT_EXITED || last->end == BV_ATTEMPT_SIGNALED);
}

static int tell(const struct request *r, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    unsigned generation;
    size_t printed = 0;
    if (cmd_open_store(r->store, &store, err) < 0 || cmd_open_job(&store, r->ref, &job, &generation, err) < 0)
        return -1;
    if (generation)
        return bv_fail(err, BV_EUSAGE, 0, "a history is one of a job, not of a generation: leave @%u away", generation);
    for (;;) {
        autotimeline struct bv_timeline t = {0};
        if (bv_timeline_read(&job, &t, err) < 0)
            return -1;
        if (printed && json_array_size(t.events) == 0)
            return bv_fail(err, BV_ENOJOB, 0, "job %s was deleted", job.id);
        if (r->json)
            return print_json(&job, &t, err);
        print_lines(&t, &printed);
        if (!r->follow || is_over(&t)) {
            putchar('\n');
            history_print_totals(&t, stdout);
            return 0;
        }
        poll(NULL, 0, FOLLOW_MS);
    }
}

int bv_cmd_history(int argc, char **argv)
{
    struct bv_error err = {0};
    struct request r = {0};
    int status;
    const struct cmd_option options[] = {
        {'f', "follow", NULL, "go on with what happens from now on, until the job has ended", .to = &r.follow},
        CMD_STORE(&r.store),
        CMD_JSON(&r.json, "print it as JSON"),
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc - optind != 1)
        return cmd_usage("history", "exactly one JOB is needed");
    if (r.follow && r.json)
        return cmd_usage("history", "--json tells what was until now: it cannot go with --follow");
    r.ref = argv[optind];
    return tell(&r, &err) < 0 ? cmd_fail(&err, r.json) : 0;
}
