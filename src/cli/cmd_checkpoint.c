/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/checkpoint_all.h"
#include "cli/cmd.h"
#include "cli/options.h"

static const struct cmd_syntax syntax = {
    .name = "checkpoint",
    .usage = "[OPTION]... JOB\n[OPTION]... --all",
    .text =
        "Save the state of running JOB as a new generation, and let it go on. Returns when the checkpoint is committed, or\n"
        "has failed; then the job goes on and the previous checkpoint is intact. A scheduler's job is reached on its node.\n",
};

struct request {
    struct cmd_ask ask;
    int json, all;
};

static void on_progress(void *arg, const char *phase)
{
    const struct request *r = arg;
    if (!r->json && isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s", strcmp(phase, "dump") == 0 ? "freezing and reading the job ..." : "writing ...");
}

static int take_reason(const char *text, void *to, struct bv_error *err)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:");
    if (n == 0 || n > 32 || text[n])
        return bv_fail(err, BV_EUSAGE, 0, "write one word of 32 letters, digits, - and : at most, not '%.40s'", text);
    *(const char **)to = text;
    return 0;
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
    struct request r = {.ask = {.leave = "running"}};
    char host[65];
    autojson json_t *result = NULL;
    int status;
    const struct cmd_option options[] = {
        {'k', "kill", NULL, "end the job when the checkpoint is committed; its supervisor exits with status 85",
         .word = "dead", .to = &r.ask.leave},
        {0, "stop", NULL, "leave the job stopped; SIGCONT to its supervisor lets it go on", .word = "stopped",
         .to = &r.ask.leave},
        {0, "all", NULL, "every running job of yours on this host; as root, every user's", .to = &r.all},
        {'t', "timeout", "TIME", "give up after that time (default: 1h)", .take = cmd_take_duration,
         .to = &r.ask.timeout},
        {0, "reason", "WORD", "why, for the history (default: request, or drain with --all)", .take = take_reason,
         .to = &r.ask.reason},
        CMD_STORE(&r.ask.store),
        CMD_JSON(&r.json, "print the result as JSON"),
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (r.all && argc == optind && !r.ask.store)
        return cmd_checkpoint_all(r.ask.leave, r.ask.reason ? r.ask.reason : "drain", r.ask.timeout, r.json);
    if (r.all)
        return cmd_usage("checkpoint", "--all is for all jobs, of whatever store");
    if (argc - optind != 1)
        return cmd_usage("checkpoint", "exactly one JOB is needed");

    r.ask.job = argv[optind];
    if (!r.ask.reason)
        r.ask.reason = "request";
    r.ask.progress = on_progress;
    r.ask.arg = &r;
    int rc = cmd_ask_checkpoint(&r.ask, &result, host, &err);
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
