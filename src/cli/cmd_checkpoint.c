/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "job/client.h"

static const struct cmd_syntax syntax = {
    .name = "checkpoint",
    .usage = "[OPTION]... JOB",
    .text =
        "Save the state of running JOB as a new generation, and let it go on. Returns when the checkpoint is committed, or\n"
        "has failed; then the job goes on and the previous checkpoint is intact.\n",
};

struct request {
    const char *store, *leave;
    double timeout;
    int json;
};

static void on_progress(void *arg, const char *phase)
{
    const struct request *r = arg;
    if (!r->json && isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s", strcmp(phase, "dump") == 0 ? "freezing and reading the job ..." : "writing ...");
}

static int ask(const struct request *r, const char *job_id, json_t **ret, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    struct bv_attempt_info last;
    unsigned generation;
    if (cmd_open_store(r->store, &store, err) < 0 || cmd_open_job(&store, job_id, &job, &generation, err) < 0)
        return -1;
    if (generation)
        return bv_fail(err, BV_EUSAGE, 0, "a checkpoint is made of a job, not of a generation: leave @%u away",
                       generation);
    int got = bv_attempt_last(&job, &last, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s is not running", job.id);

    autojson json_t *request = json_pack("{s:s, s:s, s:f, s:s}", "op", "checkpoint", "leave", r->leave, "timeout",
                                         r->timeout, "reason", "request");
    /* The supervisor keeps the deadline; ours only catches a supervisor that hangs. */
    struct bv_client_call_options how = {
        .timeout = r->timeout > 0 ? r->timeout + 60 : 0, .progress = on_progress, .arg = (void *)r};
    int rc = bv_client_call(job.id, &last, request, &how, ret, err);
    bv_attempt_info_free(&last);
    return rc;
}

static void print_result(const json_t *result)
{
    char stored[16], raw[16];
    cmd_size_text((unsigned long long)json_integer_value(json_object_get(result, "stored_bytes")), stored);
    cmd_size_text((unsigned long long)json_integer_value(json_object_get(result, "raw_bytes")), raw);
    printf("%s@%d: frozen %.2f s, %s stored of %s, committed after %.2f s\n",
           json_string_value(json_object_get(result, "job")),
           (int)json_integer_value(json_object_get(result, "generation")),
           json_number_value(json_object_get(result, "frozen_s")), stored, raw,
           json_number_value(json_object_get(result, "total_s")));
    const json_t *warnings = json_object_get(result, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        autofree char *text = NULL;
        if (bv_json_unescape(json_array_get(warnings, i), &text, NULL) == 0)
            fprintf(stderr, "bivouac: warning: %s\n", text);
    }
}

int bv_cmd_checkpoint(int argc, char **argv)
{
    struct bv_error err = {0};
    struct request r = {.leave = "running"};
    autojson json_t *result = NULL;
    int status;
    const struct cmd_option options[] = {
        {'k', "kill", NULL, "end the job when the checkpoint is committed; its supervisor exits with status 85",
         .word = "dead", .to = &r.leave},
        {0, "stop", NULL, "leave the job stopped; SIGCONT to its supervisor lets it go on", .word = "stopped",
         .to = &r.leave},
        {'t', "timeout", "TIME", "give up after that time (default: 1h)", .take = cmd_take_duration, .to = &r.timeout},
        CMD_STORE(&r.store),
        CMD_JSON(&r.json, "print the result as JSON"),
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc - optind != 1)
        return cmd_usage("checkpoint", "exactly one JOB is needed");

    int rc = ask(&r, argv[optind], &result, &err);
    if (!r.json && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    if (rc < 0)
        return cmd_fail(&err, r.json);
    if (r.json)
        cmd_print_json(result);
    else
        print_result(result);
    return 0;
}
