/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/trial.h"
#include "job/client.h"
#include "job/preflight.h"

#define DEFAULT_AFTER 2.0  /* s; most programs have opened by then what they work with */
#define ASK_TIMEOUT   10.0 /* s, for the supervisor's answer, which costs it nothing */

static const struct cmd_syntax syntax = {
    .name = "preflight",
    .usage = "[OPTION]... JOB\n[OPTION]... --pid PID\n[OPTION]... -- COMMAND...",
    .text = "Say what in a running program would stop a checkpoint, or be lost by one: in JOB, in a process and its\n"
            "descendants, or in a command that is started to be looked at, and ended.\n",
    .footer =
        "Exit status: 0 if nothing blocks a checkpoint, 115 if something does; others in bivouac-exit-codes(7).\n",
    .stops = 1,
};

struct options {
    const char *store, *job;
    pid_t pid;
    char **command;
    double after;
    int json, private_network, tcp;
};

static int take_pid(const char *text, void *to, struct bv_error *err)
{
    char *end;
    errno = 0;
    long pid = strtol(text, &end, 10);
    if (errno || end == text || *end || pid < 1 || pid > 1 << 22) /* the kernel's PID_MAX_LIMIT */
        return bv_fail(err, BV_EUSAGE, 0, "'%s' is no process id", text);
    *(pid_t *)to = (pid_t)pid;
    return 0;
}

static int take_network(const char *text, void *to, struct bv_error *err)
{
    struct bv_network network;
    if (bv_value_network(text, &network, err) < 0)
        return -1;
    enum bv_network_kind kind = network.kind;
    bv_network_free(&network);
    if (kind == BV_NETWORK_AUTO)
        return bv_fail(err, BV_EUSAGE, 0, "write host or private, not 'auto'");
    *(int *)to = kind == BV_NETWORK_PRIVATE;
    return 0;
}

static int take_tcp(const char *text, void *to, struct bv_error *err)
{
    return bv_value_word(text, BV_TCP_WORDS, to, err);
}

static int is_behind_dashes(char **argv)
{
    return optind > 1 && strcmp(argv[optind - 1], "--") == 0;
}

/* What is left behind the options and the job: a command behind "--". */
static int parse_subject(int argc, char **argv, struct options *o, struct bv_error *err)
{
    int is_command = is_behind_dashes(argv);
    if (is_command && optind == argc)
        return bv_fail(err, BV_EUSAGE, 0, "no command behind '--'");
    if (is_command)
        o->command = argv + optind;
    if ((o->pid != 0) + (o->job != NULL) + (o->command != NULL) != 1)
        return bv_fail(err, BV_EUSAGE, 0, "name one of a job, --pid PID, or '-- COMMAND...'");
    return 0;
}

static enum cmd_next parse(int argc, char **argv, struct options *o, int *ret_status)
{
    const struct cmd_option options[] = {
        {'p', "pid", "PID", "look at this process", .take = take_pid, .to = &o->pid},
        {0, "after", "TIME", "let the command run so long first (default: 2s)", .take = cmd_take_duration,
         .to = &o->after},
        {0, "network", "KIND", "judge it as if started with that --network: host (default) or private",
         .take = take_network, .to = &o->private_network},
        {0, "tcp", BV_TCP_WORDS, "... and with that --tcp; default: refuse", .take = take_tcp, .to = &o->tcp},
        CMD_STORE(&o->store),
        CMD_JSON(&o->json, "print the findings as JSON"),
        {0},
    };
    struct bv_error err = {0};
    for (;;) {
        if (cmd_options(&syntax, options, argc, argv, ret_status) == CMD_DONE)
            return CMD_DONE;
        if (optind == argc || is_behind_dashes(argv))
            break;
        if (o->job) {
            *ret_status = cmd_usage("preflight", "more than one job: write a command as '-- COMMAND...'");
            return CMD_DONE;
        }
        o->job = argv[optind++]; /* options may follow it, as with the other commands */
    }
    if (parse_subject(argc, argv, o, &err) == 0)
        return CMD_GO_ON;
    *ret_status = cmd_fail(&err, o->json);
    return CMD_DONE;
}

/* Ask the job's supervisor where its tree is. */
static int locate_job(const struct options *o, struct bv_preflight *ret, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    struct bv_attempt_info last;
    unsigned generation;
    if (cmd_open_store(o->store, &store, err) < 0 || cmd_open_job(&store, o->job, &job, &generation, err) < 0)
        return -1;
    if (generation)
        return bv_fail(err, BV_EUSAGE, 0, "a running job is looked at, not a generation: leave @%u away", generation);
    int found = bv_attempt_last(&job, &last, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s is not running", job.id);

    autojson json_t *request = json_pack("{s:s}", "op", "status"), *reply = NULL;
    const struct bv_client_call_options how = {.timeout = ASK_TIMEOUT};
    int rc = bv_client_call(job.id, &last, request, &how, &reply, err);
    bv_attempt_info_free(&last);
    if (rc < 0)
        return -1;

    int64_t root;
    if (bv_json_i64(reply, "root_pid", &root, err) < 0 ||
        bv_json_bool(reply, "private_network", &ret->private_network, err) < 0)
        return bv_wrap(err, "the answer of the supervisor");
    if (root <= 0)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s is not running at this moment", job.id);
    int tcp = BV_TCP_REFUSE;
    const char *word = json_string_value(json_object_get(reply, "tcp")); /* not of an older supervisor */
    if (word && bv_value_word(word, BV_TCP_WORDS, &tcp, err) < 0)
        return bv_wrap(err, "the answer of the supervisor");
    ret->tcp = (enum bv_tcp)tcp;
    ret->root = (pid_t)root;
    ret->in_capsule = 1;
    return 0;
}

static size_t count(const struct bv_findings *f, enum bv_finding_weight weight)
{
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++)
        n += f->finding[i].weight == weight;
    return n;
}

static void print_text(const struct bv_findings *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct bv_finding *it = &f->finding[i];
        printf("%-8s ", bv_finding_weight_name(it->weight));
        if (it->pid)
            printf("pid %d (%s): ", (int)it->pid, it->comm);
        printf("%s %s\n", it->text, it->remedy);
    }

    size_t blocking = bv_preflight_blocking(f), weakening = count(f, BV_FINDING_WEAKENS);
    if (blocking)
        printf("%zu thing%s in the way of a checkpoint\n", blocking, blocking == 1 ? " stands" : "s stand");
    else if (weakening)
        printf("nothing stands in the way of a checkpoint, but it would lose %zu thing%s\n", weakening,
               weakening == 1 ? "" : "s");
    else
        puts("nothing stands in the way of a checkpoint");
}

static void print_json(const struct bv_findings *f)
{
    autojson json_t *j = json_object();
    bv_json_set(j, "blocking", json_integer((json_int_t)bv_preflight_blocking(f)));
    bv_json_set(j, "findings", bv_findings_json(f));
    cmd_print_json(j);
}

static int inspect(const struct options *o, struct bv_findings *ret, struct bv_error *err)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open /proc");

    struct bv_preflight p = {
        .procfd = procfd, .root = o->pid, .private_network = o->private_network, .tcp = (enum bv_tcp)o->tcp};
    if (o->job && locate_job(o, &p, err) < 0)
        return -1;
    if (!o->command)
        return bv_preflight_run(&p, ret, err);

    struct trial trial;
    if (trial_start(o->command, o->json, &trial, err) < 0)
        return -1;
    p.root = trial.pid;
    int rc = trial_wait(&trial, o->after, err);
    if (rc == 0)
        rc = bv_preflight_run(&p, ret, err);
    trial_end(&trial);
    if (rc == 0)
        bv_note("%s ran for %g s to be looked at, and was ended", o->command[0], o->after);
    return rc;
}

int bv_cmd_preflight(int argc, char **argv)
{
    struct options o = {.after = DEFAULT_AFTER};
    struct bv_error err = {0};
    struct bv_findings found = {0};
    int status;
    if (parse(argc, argv, &o, &status) == CMD_DONE)
        return status;
    if (inspect(&o, &found, &err) < 0)
        return cmd_fail(&err, o.json);
    if (o.json)
        print_json(&found);
    else
        print_text(&found);
    int blocked = bv_preflight_blocking(&found) > 0;
    bv_findings_free(&found);
    return blocked ? BV_EBLOCKED : BV_OK;
}
