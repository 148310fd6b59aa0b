/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/prune.h"

static const struct cmd_syntax syntax = {
    .name = "prune",
    .usage = "[OPTION]... [JOB]...",
    .text =
        "Say what in the store is needed no more, of these jobs or of all: checkpoints that are too many, what crashes "
        "have\nleft, and sockets at which nobody listens. Only with --yes is it removed. A job that runs is left "
        "alone, and so is\nwhat is pinned.\n",
};

struct request {
    struct bv_settings settings;
    double older_than;
    int yes, json;
};

static int prune(const struct request *r, char **jobs, int *ret_status, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    struct prune_plan plan = {0};
    struct prune_request request = {.settings = &r->settings, .older_than = r->older_than, .jobs = jobs};
    if (cmd_open_store(r->settings.store, &store, err) < 0 || prune_find(&store, &request, &plan, err) < 0)
        return -1;
    if (r->yes)
        prune_carry_out(&store, &plan);
    *ret_status = prune_tell(&store, &plan, r->yes, r->json);
    prune_free(&plan);
    return 0;
}

int bv_cmd_prune(int argc, char **argv)
{
    struct bv_error err = {0};
    struct request r = {.older_than = -1};
    int status;
    const struct cmd_option own[] = {
        {'y', "yes", NULL, "remove it", .to = &r.yes},
        {0, "older-than", "TIME", "also jobs that ended so long ago, whole", .take = cmd_take_duration,
         .to = &r.older_than},
        CMD_JSON(&r.json, "print it as JSON"),
        {0},
    };
    struct cmd_option options[CMD_OPTIONS_MAX] = {0};
    bv_settings_init(&r.settings);
    cmd_add_options(options, own);
    cmd_add_settings(options, BV_FOR_PRUNE, &r.settings);
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_GO_ON &&
        (cmd_load_settings(&r.settings, NULL, &err) < 0 || prune(&r, argv + optind, &status, &err) < 0))
        status = cmd_fail(&err, r.json);
    bv_settings_free(&r.settings);
    return status;
}
