/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/summary.h"
#include "job/try.h"

static const struct cmd_syntax syntax = {
    .name = "verify",
    .usage = "[OPTION]... JOB[@GENERATION]",
    .text =
        "Read a checkpoint, or all of JOB, and check every byte against its digest. The exit status is 104 if any is\n"
        "damaged. With --deep, then restore it (without GENERATION: the newest) aside, compare its processes and their\n"
        "memory with it before anything of it runs, and throw that away. A job that runs is not disturbed.\n",
};

struct verify {
    const char *store;
    int json, deep;
    double timeout; /* of a deep one; 0 = by its size */
    const char *scratch;
    sigset_t signals; /* that end a deep one in good order */
    struct bv_engine_compared compared;
};

static int verify_one(struct verify *v, const struct bv_job *job, unsigned number, struct cmd_generation *ret,
                      struct bv_error *err)
{
    autogen struct bv_gen *g = NULL;
    if (bv_gen_open(job, number, &g, err) < 0)
        return -1;
    cmd_generation_describe(g, number, ret);
    if (bv_gen_verify(g, err) < 0)
        return -1;
    if (!v->deep)
        return 0;
    struct bv_try how = {.scratch = v->scratch, .timeout = v->timeout, .mask = &v->signals};
    return bv_try_generation(job, number, &how, &v->compared, err);
}

/* The store's messages say which generation they are about; so do we, in front. */
static const char *without_subject(const struct bv_job *job, unsigned number, const char *text)
{
    char subject[BV_JOB_ID_MAX + 64];
    int n = snprintf(subject, sizeof(subject), "generation %u of job %s: ", number, job->id);
    return strncmp(text, subject, (size_t)n) == 0 ? text + n : text;
}

static void print_one(const struct verify *v, const struct bv_job *job, unsigned number,
                      const struct cmd_generation *facts, const struct bv_error *err)
{
    char size[16];
    cmd_size_text(facts->stored_bytes, size);
    if (!err->code && v->deep)
        printf("%s@%u: ok, %s; restored: %llu processes, %llu threads, %llu pages of memory, all as they were\n",
               job->id, number, size, (unsigned long long)v->compared.processes,
               (unsigned long long)v->compared.threads, (unsigned long long)v->compared.pages);
    else if (!err->code)
        printf("%s@%u: ok, %s\n", job->id, number, size);
    else if (err->code == BV_ECORRUPT)
        printf("%s@%u: corrupt: %s\n", job->id, number, without_subject(job, number, err->text));
    else
        printf("%s@%u: not verified: %s\n", job->id, number, without_subject(job, number, err->text));
    fflush(stdout);
}

static json_t *one_json(const struct verify *v, unsigned number, const struct cmd_generation *facts,
                        const struct bv_error *err)
{
    json_t *j = json_object();
    bv_json_set(j, "generation", json_integer(number));
    bv_json_set(j, "ok", json_boolean(!err->code));
    if (err->code) {
        bv_json_set(j, "code", json_integer(err->code));
        bv_json_set(j, "why", bv_json_bytes(err->text));
    } else {
        bv_json_set(j, "stored_bytes", json_integer((json_int_t)facts->stored_bytes));
        bv_json_set(j, "raw_bytes", json_integer((json_int_t)facts->raw_bytes));
        if (v->deep)
            bv_json_set(j, "restored",
                        json_pack("{s:I, s:I, s:I}", "processes", (json_int_t)v->compared.processes, "threads",
                                  (json_int_t)v->compared.threads, "pages", (json_int_t)v->compared.pages));
    }
    return j;
}

/* Returns the exit status: that of the first bad one. */
static int verify_all(struct verify *v, const struct bv_job *job, const unsigned *numbers, size_t n, int named)
{
    int status = 0, json = v->json;
    int tell = !json && isatty(STDERR_FILENO);
    autojson json_t *results = json_array();
    for (size_t i = 0; i < n; i++) {
        struct bv_error err = {0};
        struct cmd_generation facts = {0};
        if (tell)
            fprintf(stderr, "\r\033[Kreading %s@%u, %zu of %zu ...", job->id, numbers[i], i + 1, n);
        int rc = verify_one(v, job, numbers[i], &facts, &err);
        if (tell)
            fputs("\r\033[K", stderr);
        if (rc < 0 && err.code == BV_ENOJOB && !named)
            continue; /* retention was faster */
        if (rc < 0 && !status)
            status = err.code;
        if (!json)
            print_one(v, job, numbers[i], &facts, &err);
        bv_json_append(results, one_json(v, numbers[i], &facts, &err));
        json_decref(facts.warnings);
    }
    if (json) {
        autojson json_t *all = json_object();
        bv_json_set(all, "job", json_string(job->id));
        bv_json_set(all, "ok", json_boolean(!status));
        bv_json_set(all, "generations", json_incref(results));
        cmd_print_json(all);
    }
    return status;
}

/* A deep one ends in good order when it is interrupted; it is to be given room: where the checkpoints are, unless told.
 */
static void go_deep(struct verify *v, const struct bv_store *store)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    const char *tmp = getenv("TMPDIR");
    v->scratch = tmp && tmp[0] == '/' ? tmp : store->path;
    sigemptyset(&v->signals);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&v->signals, numbers[i]);
    sigprocmask(SIG_BLOCK, &v->signals, NULL);
}

static int verify(struct verify *v, const char *ref)
{
    struct bv_error err = {0};
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    autofree unsigned *numbers = NULL;
    size_t n = 0;
    unsigned generation;
    if (cmd_open_store(v->store, &store, &err) < 0 || cmd_open_job(&store, ref, &job, &generation, &err) < 0 ||
        bv_generation_list(&job, &numbers, &n, &err) < 0)
        return cmd_fail(&err, v->json);

    if (!generation && n == 0) {
        bv_fail(&err, BV_ENOCKPT, 0, "job %s has no checkpoint", job.id);
        return cmd_fail(&err, v->json);
    }
    if (v->deep)
        go_deep(v, &store);
    if (!generation && v->deep)
        return verify_all(v, &job, &numbers[n - 1], 1, 1);
    if (!generation)
        return verify_all(v, &job, numbers, n, 0);
    for (size_t i = 0; i < n; i++)
        if (numbers[i] == generation)
            return verify_all(v, &job, &generation, 1, 1);
    bv_fail(&err, BV_ENOJOB, 0, "job %s has no generation %u", job.id, generation);
    return cmd_fail(&err, v->json);
}

int bv_cmd_verify(int argc, char **argv)
{
    struct verify v = {0};
    int status;
    const struct cmd_option options[] = {
        {0, "deep", NULL, "restore it aside, compare, and throw that away", .to = &v.deep},
        {'t', "timeout", "TIME", "give a restore up after that time (default: by its size)", .take = cmd_take_duration,
         .to = &v.timeout},
        CMD_STORE(&v.store),
        CMD_JSON(&v.json, "print the result as JSON"),
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc - optind != 1)
        return cmd_usage("verify", "exactly one JOB[@GENERATION] is needed");
    return verify(&v, argv[optind]);
}
