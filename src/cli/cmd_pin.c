/* SPDX-License-Identifier: Apache-2.0 */
/* bivouac pin and bivouac unpin. */
#include <getopt.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "store/event.h"
#include "store/pin.h"

static const struct cmd_syntax pin_syntax = {
    .name = "pin",
    .usage = "[OPTION]... JOB@GENERATION",
    .text = "Keep a checkpoint until it is unpinned, whatever --keep, quotas, 'bivouac prune' and the job's end would "
            "remove.\n",
};

static const struct cmd_syntax unpin_syntax = {
    .name = "unpin",
    .usage = "[OPTION]... JOB@GENERATION",
    .text =
        "Take a pin away. Nothing is removed by this: the next checkpoint of the job, or 'bivouac prune', may do that.\n",
};

struct request {
    const char *store_path, *ref, *reason;
    int unpin, json;
};

/* That the history cannot be written makes a pin no less. */
static void note(const struct request *r, const struct bv_job *job, unsigned generation)
{
    struct bv_attempt_info last;
    unsigned attempt = 0;
    if (bv_attempt_last(job, &last, NULL) > 0) {
        attempt = last.number;
        bv_attempt_info_free(&last);
    }
    autojson json_t *fields = json_object();
    bv_json_set(fields, "generation", json_integer(generation));
    if (r->reason)
        bv_json_set(fields, "reason", bv_json_bytes(r->reason));
    bv_event_append(job, r->unpin ? "unpinned" : "pinned", attempt, fields, NULL);
}

static int carry_out(const struct request *r, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    unsigned generation;
    if (cmd_open_store(r->store_path, &store, err) < 0 || cmd_open_job(&store, r->ref, &job, &generation, err) < 0)
        return -1;
    if (!generation)
        return bv_fail(err, BV_EUSAGE, 0, "which checkpoint of %s? Write %s@NUMBER (bivouac show %s lists them)",
                       r->ref, r->ref, r->ref);
    if ((r->unpin ? bv_pin_remove(&job, generation, err) : bv_pin_set(&job, generation, r->reason, err)) < 0)
        return -1;
    note(r, &job, generation);
    return 0;
}

static int finish(const struct cmd_syntax *syntax, struct request *r, int argc, char **argv)
{
    struct bv_error err = {0};
    const char *done = r->unpin ? "unpinned" : "pinned";
    if (argc - optind != 1)
        return cmd_usage(syntax->name, "exactly one JOB@GENERATION is needed");
    r->ref = argv[optind];
    if (carry_out(r, &err) < 0)
        return cmd_fail(&err, r->json);
    if (r->json) {
        autojson json_t *j = json_object();
        bv_json_set(j, done, json_string(r->ref));
        cmd_print_json(j);
    } else {
        printf("%s: %s\n", r->ref, done);
    }
    return 0;
}

int bv_cmd_pin(int argc, char **argv)
{
    struct request r = {0};
    int status;
    const struct cmd_option options[] = {
        {'r', "reason", "TEXT", "why, for 'bivouac show' and whoever finds the pin", .to = &r.reason},
        CMD_STORE(&r.store_path),
        CMD_JSON(&r.json, "print the result as JSON"),
        {0},
    };
    if (cmd_options(&pin_syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    return finish(&pin_syntax, &r, argc, argv);
}

int bv_cmd_unpin(int argc, char **argv)
{
    struct request r = {.unpin = 1};
    int status;
    const struct cmd_option options[] = {
        CMD_STORE(&r.store_path),
        CMD_JSON(&r.json, "print the result as JSON"),
        {0},
    };
    if (cmd_options(&unpin_syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    return finish(&unpin_syntax, &r, argc, argv);
}
