/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/export_criu.h"
#include "cli/options.h"
#include "cli/transfer.h"
#include "store/generation.h"
#include "store/pin.h"

static const struct cmd_syntax syntax = {
    .name = "export",
    .usage = "[OPTION]... JOB[@GENERATION] >FILE\n[OPTION]... --criu DIR JOB[@GENERATION]",
    .text =
        "Write a checkpoint, the newest or the one named, to standard output: one stream that 'bivouac import' makes a job\n"
        "of, here or elsewhere. It is verified first; a damaged one is refused with status 104.\n",
};

static int newest(const struct bv_job *job, unsigned *ret, struct bv_error *err)
{
    autofree unsigned *numbers = NULL;
    size_t n = 0;
    if (bv_generation_list(job, &numbers, &n, err) < 0)
        return -1;
    if (n == 0)
        return bv_fail(err, BV_ENOCKPT, 0, "job %s has no checkpoint", job->id);
    *ret = numbers[n - 1];
    return 0;
}

static int export_stream(const struct bv_job *job, unsigned generation, struct bv_error *err)
{
    struct cmd_transfer t;
    char what[BV_JOB_ID_MAX + 16];
    snprintf(what, sizeof(what), "%s@%u", job->id, generation);
    cmd_transfer_begin(&t, what);
    int rc = bv_export(job, generation, STDOUT_FILENO, &t.watch, err);
    cmd_transfer_end(&t);
    return rc;
}

static int export_plain(const struct bv_job *job, unsigned generation, const char *dir, struct bv_error *err)
{
    autogen struct bv_gen *g = NULL;
    autohold struct bv_hold hold;
    size_t count = 0;
    bv_hold_take(job, generation, &hold);
    if (bv_gen_open(job, generation, &g, err) < 0 || cmd_export_criu(g, dir, &count, err) < 0)
        return -1;
    printf("%s@%u: %zu files in %s\n", job->id, generation, count, dir);
    return 0;
}

static int export_named(const char *store_path, const char *ref, const char *criu, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    unsigned generation;
    if (cmd_open_store(store_path, &store, err) < 0 || cmd_open_job(&store, ref, &job, &generation, err) < 0)
        return -1;
    if (!generation && newest(&job, &generation, err) < 0)
        return -1;
    return criu ? export_plain(&job, generation, criu, err) : export_stream(&job, generation, err);
}

int bv_cmd_export(int argc, char **argv)
{
    struct bv_error err = {0};
    const char *store = NULL, *criu = NULL;
    int status;
    const struct cmd_option options[] = {
        {0, "criu", "DIR", "instead write plain images for criu(8) and crit(1) into DIR, which must be new or empty",
         .to = &criu},
        CMD_STORE(&store),
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc - optind != 1)
        return cmd_usage("export", "exactly one JOB[@GENERATION] is needed");
    if (!criu && isatty(STDOUT_FILENO))
        return cmd_usage("export", "a checkpoint is not written to a terminal: redirect standard output");
    return export_named(store, argv[optind], criu, &err) < 0 ? cmd_fail(&err, 0) : 0;
}
