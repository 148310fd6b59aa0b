/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/supervise.h"
#include "sched/sched.h"

static const char usage[] =
    "usage: bivouac run [OPTION]... [--] COMMAND [ARGUMENT]...\n\n"
    "Run COMMAND so that it can be checkpointed at any moment. If job ID has a checkpoint that verifies, continue from\n"
    "it instead: the same line can be run again and again, by hand or by a scheduler, until the job has ended.\n"
    "The exit status is COMMAND's own, or 85 when the job was checkpointed and ended; see bivouac-exit-codes(7).\n\n"
    "  -j, --job ID              name of the job (default: what the scheduler calls it, as in slurm-1234,\n"
    "                            else a new one, local-...)\n"
    "  -s, --store DIR           where checkpoints are kept (default: $BIVOUAC_STORE, else ~/.bivouac)\n"
    "      --network host|private\n"
    "                            private: a network of the job's own, in which TCP connections are kept (default: host)\n"
    "      --tmp private|shared  private: a /tmp of the job's own, which is part of every checkpoint (default: shared)\n"
    "      --bind HOST:JOB       let the job see the directory or file HOST at JOB; may be repeated\n"
    "      --capture DIR         put every file in DIR back at a restart; may be repeated\n"
    "      --no-capture GLOB     ... but not files whose name or path in DIR matches; may be repeated\n"
    "      --capture-limit SIZE  largest file that is copied at a checkpoint (default: 256M)\n"
    "      --chdir DIR           continue in DIR instead of the directory where the job was\n"
    "      --accept-changed      continue although a file that is too large to copy has changed\n"
    "      --on-bad-checkpoint fail|fresh\n"
    "                            what to do if checkpoints exist and none verifies (default: fail)\n"
    "      --staging SIZE        memory in which a checkpoint is staged (default: half of what can be had)\n"
    "      --lease TIME          how long another host must wait for a silent supervisor (default: 60s)\n"
    "      --takeover            the earlier supervisor is known to be dead: do not wait for its lease\n"
    "  -h, --help                show this\n";

enum {
    OPT_NETWORK = 256,
    OPT_TMP,
    OPT_BIND,
    OPT_CAPTURE,
    OPT_NO_CAPTURE,
    OPT_CAPTURE_LIMIT,
    OPT_CHDIR,
    OPT_ACCEPT,
    OPT_ON_BAD,
    OPT_STAGING,
    OPT_LEASE,
    OPT_TAKEOVER,
};

static const struct option options[] = {
    {"job", required_argument, NULL, 'j'},
    {"store", required_argument, NULL, 's'},
    {"network", required_argument, NULL, OPT_NETWORK},
    {"tmp", required_argument, NULL, OPT_TMP},
    {"bind", required_argument, NULL, OPT_BIND},
    {"capture", required_argument, NULL, OPT_CAPTURE},
    {"no-capture", required_argument, NULL, OPT_NO_CAPTURE},
    {"capture-limit", required_argument, NULL, OPT_CAPTURE_LIMIT},
    {"chdir", required_argument, NULL, OPT_CHDIR},
    {"accept-changed", no_argument, NULL, OPT_ACCEPT},
    {"on-bad-checkpoint", required_argument, NULL, OPT_ON_BAD},
    {"staging", required_argument, NULL, OPT_STAGING},
    {"lease", required_argument, NULL, OPT_LEASE},
    {"takeover", no_argument, NULL, OPT_TAKEOVER},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int choose(const char *option, const char *word, const char *no, const char *yes, int *ret, struct bv_error *err)
{
    *ret = strcmp(word, yes) == 0;
    return *ret || strcmp(word, no) == 0
               ? 0
               : bv_fail(err, BV_EUSAGE, 0, "--%s is %s or %s, not '%s'", option, no, yes, word);
}

static int add_bind(struct bv_spec *spec, const char *text, struct bv_error *err)
{
    const char *colon = strchr(text, ':');
    if (!colon || colon == text || !bv_is_clean_path(colon + 1))
        return bv_fail(err, BV_EUSAGE, 0, "--bind is HOST:JOB with an absolute JOB, not '%s'", text);
    autofree char *host = bv_strndup(text, (size_t)(colon - text));
    struct bv_bind b = {.job = bv_strdup(colon + 1)};
    if (cmd_absolute(host, &b.host, err) < 0 || access(b.host, F_OK) < 0) {
        free(b.job);
        free(b.host);
        return bv_fail(err, BV_ENODIR, errno, "--bind: cannot find %s", host);
    }
    spec->binds = bv_realloc(spec->binds, spec->bind_count + 1, sizeof(b));
    spec->binds[spec->bind_count++] = b;
    return 0;
}

static int add_capture(struct bv_spec *spec, const char *dir, struct bv_error *err)
{
    char *path;
    if (cmd_absolute(dir, &path, err) < 0)
        return bv_wrap(err, "--capture");
    cmd_list_add(&spec->capture, path);
    return 0;
}

static int set_chdir(struct bv_supervise_options *o, const char *dir, struct bv_error *err)
{
    char *path;
    if (cmd_absolute(dir, &path, err) < 0)
        return bv_wrap(err, "--chdir");
    o->chdir = path;
    return 0;
}

static int apply(int option, struct bv_supervise_options *o, struct bv_spec *spec, struct bv_error *err)
{
    unsigned long long limit;
    int fresh;
    switch (option) {
    case 'j':
        o->job_id = optarg;
        return bv_job_id_check(optarg, err);
    case 's':
        o->store_path = optarg;
        return 0;
    case OPT_NETWORK:
        return choose("network", optarg, "host", "private", &spec->private_network, err);
    case OPT_TMP:
        return choose("tmp", optarg, "shared", "private", &spec->private_tmp, err);
    case OPT_BIND:
        return add_bind(spec, optarg, err);
    case OPT_CAPTURE:
        return add_capture(spec, optarg, err);
    case OPT_NO_CAPTURE:
        cmd_list_add(&spec->no_capture, bv_strdup(optarg));
        return 0;
    case OPT_CAPTURE_LIMIT:
        if (cmd_parse_size(optarg, &limit, err) < 0)
            return -1;
        spec->capture_limit = limit;
        return 0;
    case OPT_CHDIR:
        return set_chdir(o, optarg, err);
    case OPT_ACCEPT:
        o->accept_changed = 1;
        return 0;
    case OPT_ON_BAD:
        if (choose("on-bad-checkpoint", optarg, "fail", "fresh", &fresh, err) < 0)
            return -1;
        o->on_bad = fresh ? BV_ON_BAD_FRESH : BV_ON_BAD_FAIL;
        return 0;
    case OPT_STAGING:
        if (cmd_parse_size(optarg, &limit, err) < 0)
            return -1;
        o->staging = limit;
        return 0;
    case OPT_LEASE:
        return cmd_parse_duration(optarg, &o->lease, err);
    case OPT_TAKEOVER:
        o->vouched = 1;
        return 0;
    default:
        return bv_fail(err, BV_EUSAGE, 0, "unknown option");
    }
}

static int is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int complete(struct bv_spec *spec, char **command, struct bv_error *err)
{
    char cwd[PATH_MAX];
    if (!getcwd(cwd, sizeof(cwd)) || cwd[0] != '/')
        return bv_fail(err, BV_ENODIR, errno, "cannot tell the working directory");
    if (spec->private_tmp && is_below(cwd, "/tmp"))
        return bv_fail(err, BV_EUSAGE, 0, "--tmp private would hide the working directory %s: run the job elsewhere",
                       cwd);
    spec->cwd = bv_strdup(cwd);
    for (char **a = command; *a; a++)
        cmd_list_add(&spec->argv, bv_strdup(*a));
    return 0;
}

/* The job is named by the scheduler, unless by the user. Returns 1 if it is the very job in which we already run: then
 * its command is nothing but a part of it. */
static int ask_scheduler(struct bv_supervise_options *o, struct bv_sched_job *job, struct bv_error *err)
{
    const struct bv_sched *sched;
    const char *around = getenv("BIVOUAC_JOB");
    if (o->job_id)
        return 0;
    if (bv_sched_detect(&sched, job, err) < 0)
        return -1;
    if (!sched)
        return 0;
    o->job_id = job->id;
    o->again = job->again;
    return around && strcmp(around, job->id) == 0;
}

static int run_inside(char **command)
{
    struct bv_error err = {0};
    execvp(command[0], command);
    bv_fail(&err, errno == ENOENT ? BV_ENOCMD : BV_ENOEXEC, errno, "%s", command[0]);
    return cmd_fail(&err, 0);
}

int bv_cmd_run(int argc, char **argv)
{
    struct bv_error err = {0};
    autospec struct bv_spec spec = {.capture_limit = BV_CAPTURE_LIMIT_DEFAULT};
    struct bv_supervise_options o = {.spec = &spec};
    struct bv_sched_job job = {0};
    int option;
    while ((option = getopt_long(argc, argv, "+j:s:h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option == '?')
            return BV_EUSAGE;
        if (apply(option, &o, &spec, &err) < 0)
            return cmd_fail(&err, 0);
    }
    if (optind == argc)
        return cmd_usage("run", "no command is given");
    int inside = ask_scheduler(&o, &job, &err);
    if (inside > 0)
        return run_inside(argv + optind);
    if (inside < 0 || complete(&spec, argv + optind, &err) < 0)
        return cmd_fail(&err, 0);
    int status = cmd_supervise(&o);
    free((char *)o.chdir);
    return status;
}
