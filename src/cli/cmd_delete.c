/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/summary.h"
#include "job/runtime.h"
#include "store/pin.h"

static const struct cmd_syntax syntax = {
    .name = "delete",
    .usage = "[OPTION]... JOB[@GENERATION]",
    .text =
        "Remove JOB with all its checkpoints and with what its restarts kept aside, or one checkpoint of it. A job that\n"
        "runs is refused, and so are the last checkpoint that verifies of a job that has not ended, and what is pinned.\n"
        "Nothing is asked.\n",
};

struct request {
    const char *store_path, *ref;
    int force, json;
};

static int verifies(const struct bv_job *job, unsigned number)
{
    autogen struct bv_gen *g = NULL;
    return bv_gen_open(job, number, &g, NULL) == 0 && bv_gen_verify(g, NULL) == 0;
}

/* Does a checkpoint that verifies remain when `without` is gone (0 = when all are)? Does it matter, that is: is there
 * one now? 1 = work would be lost. */
static int would_lose(const struct bv_job *job, unsigned without, int *ret, struct bv_error *err)
{
    autofree unsigned *numbers = NULL;
    size_t n = 0;
    if (bv_generation_list(job, &numbers, &n, err) < 0)
        return -1;
    *ret = 0;
    for (size_t i = n; without && i-- > 0;)
        if (numbers[i] != without && verifies(job, numbers[i]))
            return 0;
    for (size_t i = n; i-- > 0 && !*ret;)
        if (!without || numbers[i] == without)
            *ret = verifies(job, numbers[i]);
    return 0;
}

/* The named generation, or all of them. */
static int check_pins(const struct bv_job *job, unsigned generation, struct bv_error *err)
{
    autofree unsigned *numbers = NULL;
    size_t n = 0;
    if (bv_generation_list(job, &numbers, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct bv_error e = {0};
        if ((!generation || numbers[i] == generation) && bv_pin_check(job, numbers[i], &e) < 0)
            return bv_fail(err, e.code, 0, "%s; --force deletes it all the same", e.text);
    }
    return 0;
}

static int check(const struct request *r, const struct bv_job *job, unsigned generation, struct bv_error *err)
{
    autostate struct cmd_job_state state = {0};
    struct bv_error e = {0};
    if (cmd_job_state(job, &state, &e) < 0) /* a job whose attempts cannot be read may be running */
        return r->force && e.code == BV_ECORRUPT
                   ? 0
                   : bv_fail(err, e.code, 0, "%s (with --force: deleted all the same)", e.text);
    if (cmd_is_live(state.state))
        return bv_fail(err, BV_EBUSY, 0, "job %s runs on host %s (pid %d): end it first", job->id, state.last.host.name,
                       (int)state.last.pid);

    int loses;
    if (!r->force && check_pins(job, generation, err) < 0)
        return -1;
    if (r->force || state.state == CMD_ENDED)
        return 0;
    if (would_lose(job, generation, &loses, err) < 0)
        return -1;
    if (!loses)
        return 0;
    return bv_fail(err, BV_EBUSY, 0,
                   generation ? "%s@%u is the last checkpoint that verifies of a job that has not ended: --force "
                                "deletes it all the same"
                              : "job %s has not ended, and can be continued from its checkpoint: --force deletes it "
                                "all the same",
                   job->id, generation);
}

/* The control socket of a supervisor that was killed: with the job goes the last record of where it is. */
static void forget_socket(const struct bv_job *job)
{
    struct bv_attempt_info last;
    if (bv_attempt_last(job, &last, NULL) <= 0)
        return;
    if (!last.alive)
        bv_runtime_forget(last.socket_path);
    bv_attempt_info_free(&last);
}

static int remove_named(const struct request *r, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    unsigned generation;
    if (cmd_open_store(r->store_path, &store, err) < 0 || cmd_open_job(&store, r->ref, &job, &generation, err) < 0 ||
        check(r, &job, generation, err) < 0)
        return -1;
    if (generation)
        return (r->force ? bv_generation_delete : bv_generation_remove)(&job, generation, err);
    forget_socket(&job);
    return bv_job_delete(&store, job.id, err);
}

int bv_cmd_delete(int argc, char **argv)
{
    struct bv_error err = {0};
    struct request r = {0};
    int status;
    const struct cmd_option options[] = {
        {'f', "force", NULL, "remove the last checkpoint of an unfinished job, too, and what is pinned",
         .to = &r.force},
        CMD_STORE(&r.store_path),
        CMD_JSON(&r.json, "print the result as JSON"),
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc - optind != 1)
        return cmd_usage("delete", "exactly one JOB[@GENERATION] is needed");
    r.ref = argv[optind];
    if (remove_named(&r, &err) < 0)
        return cmd_fail(&err, r.json);
    if (r.json) {
        autojson json_t *j = json_object();
        bv_json_set(j, "deleted", json_string(r.ref));
        cmd_print_json(j);
    } else {
        printf("%s: deleted\n", r.ref);
    }
    return 0;
}
