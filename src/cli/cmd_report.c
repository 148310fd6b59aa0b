/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/report_page.h"

static const struct cmd_syntax syntax = {
    .name = "report",
    .usage = "[OPTION]... --html FILE JOB",
    .text =
        "Write a page about a job that any browser shows, and that needs nothing else: its attempts over time, what\n"
        "each checkpoint cost and took, and what was lost and saved.\n",
};

struct request {
    const char *store, *html, *ref;
};

static int write_page(const struct bv_job *job, const char *path, struct bv_error *err)
{
    autostate struct cmd_job_state state = {0};
    autotimeline struct bv_timeline t = {0};
    autojson json_t *record = NULL;
    autofree char *text = NULL;
    size_t size;
    if (bv_job_record(job, &record, err) < 0 || cmd_job_state(job, &state, err) < 0 ||
        bv_timeline_read(job, &t, err) < 0)
        return -1;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get memory");
    report_page(out, job->id, record, &state, &t);
    if (fclose(out) != 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get memory");
    return cmd_write_file(path, text, size, 0600, err);
}

static int report(const struct request *r, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    unsigned generation;
    if (cmd_open_store(r->store, &store, err) < 0 || cmd_open_job(&store, r->ref, &job, &generation, err) < 0)
        return -1;
    if (generation)
        return bv_fail(err, BV_EUSAGE, 0, "a report is one of a job, not of a generation: leave @%u away", generation);
    return write_page(&job, r->html, err);
}

int bv_cmd_report(int argc, char **argv)
{
    struct bv_error err = {0};
    struct request r = {0};
    int status;
    const struct cmd_option options[] = {
        {0, "html", "FILE", "the file, which is replaced at once; only you may read it", .to = &r.html},
        CMD_STORE(&r.store),
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc - optind != 1)
        return cmd_usage("report", "exactly one JOB is needed");
    if (!r.html)
        return cmd_usage("report", "name the file to write with --html");
    r.ref = argv[optind];
    return report(&r, &err) < 0 ? cmd_fail(&err, 0) : 0;
}
